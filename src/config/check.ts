import { OWN_NAME } from '../authenticate/options.ts'
import { PriceFileSchema } from '../bill/options.ts'
import { accountsReport, loadApiKeys, loadUsers } from './accounts.ts'
import { type LoadResult, loadConfig } from './load.ts'
import { loadPrices, type PricesResult } from './prices.ts'
import { reportJson, reportText } from './report.ts'
import { loadRevocations, type RevocationsResult } from './revocations.ts'

/** What `tollgate check` is given. */
export interface CheckInit {
  readonly file: string
  readonly format: 'text' | 'json'
  readonly env: NodeJS.ProcessEnv
  readonly stdout: NodeJS.WritableStream
  readonly stderr: NodeJS.WritableStream
  readonly color: boolean
}

/**
 * Runs `tollgate check`: the file, and the files of prices, accounts and revocations that it names.
 * @returns 0 without errors, 1 with some, 2 when the file cannot be read
 */
export function runCheck({ file, format, env, stdout, stderr, color }: CheckInit): 0 | 1 | 2 {
  const result = loadConfig(file, env)
  const prices = pricesOf(result)
  const accounts = accountsOf(result)
  const revocations = revocationsOf(result)
  const isFine = result.ok && prices?.ok !== false && revocations?.ok !== false && accounts.every(({ ok }) => ok)
  if (format === 'json') {
    stdout.write(
      reportJson(file, {
        ok: isFine,
        faults: [
          ...result.faults,
          ...(prices?.faults ?? []),
          ...accounts.flatMap(({ faults }) => faults),
          ...(revocations?.faults ?? [])
        ]
      })
    )
  } else {
    const out = result.text === null ? stderr : stdout
    out.write(reportText(result, { color }))
    if (prices !== null) out.write(reportText({ ...prices, secrets: [] }, { color, schema: PriceFileSchema }))
    for (const file of accounts) out.write(accountsReport(file, { color }))
    if (revocations?.ok === false) out.write(reportText({ ...revocations, text: null, secrets: [] }, { color }))
  }
  if (!isFine) return result.text === null ? 2 : 1
  if (format === 'text' && result.ok) {
    const { authenticate, route } = result.config
    const count = (n: number, word: string) => `${n} ${word}${n === 1 ? '' : 's'}`
    const parts = [
      count(authenticate.issuers.length, 'issuer'),
      count(route.pools.size, 'pool'),
      count(route.teams.size, 'team'),
      ...(prices?.ok === true ? [count(prices.prices.prices.length, 'price')] : []),
      ...(revocations?.ok === true ? [count(revocations.entries.length, 'revocation')] : [])
    ]
    stdout.write(`${file}: fine (${parts.join(', ')})\n`)
  }
  return 0
}

function accountsOf(result: LoadResult) {
  if (!result.ok || result.config.mint === null) return []
  const { mint, route } = result.config
  return [
    ...(mint.users === null ? [] : [loadUsers(mint.users, { teams: route.teams, isOperator: true })]),
    ...(mint.apiKeys === null ? [] : [loadApiKeys(mint.apiKeys, { teams: route.teams, isOperator: true })])
  ]
}

/** By the issuers that the gate will have, its own among them. */
function revocationsOf(result: LoadResult): RevocationsResult | null {
  if (!result.ok) return null
  const { authenticate, mint, revocation } = result.config
  if (revocation.file === null) return null
  const own = mint === null ? [] : [{ name: OWN_NAME, issuer: mint.issuer }]
  return loadRevocations(revocation.file, [...authenticate.issuers, ...own])
}

/** The gate does not read them: one that could not start for a price would be worse than one without. */
function pricesOf(result: LoadResult): PricesResult | null {
  const file = result.ok ? result.config.bill.prices : null
  return file === null ? null : loadPrices(file)
}
