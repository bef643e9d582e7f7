import { Agent as HttpAgent, request as requestHttp } from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'

/** Where honest callers call, and with what. */
export interface HonestInit {
  readonly port: number
  readonly isTls: boolean
  /** One for each caller. */
  readonly tokens: readonly string[]
}

/** What honest callers have met since they were asked last. */
export interface HonestFigures {
  readonly calls: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Calls and logins that did not get what they asked for: by status, or by the code of the error. */
  readonly refused: Readonly<Record<string, number>>
  readonly logins: number
}

const THINK_MS = 500
const LOGIN_EVERY_MS = 2_000

const { port, isTls, tokens } = JSON.parse(process.env.HONEST ?? '{}') as HonestInit
let tookMs: number[] = []
let refused = new Map<string, number>()
let logins = 0

const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))
const note = (what: string) => refused.set(what, (refused.get(what) ?? 0) + 1)

/** @returns the status, or the code of the error */
function ask(agent: HttpAgent, localAddress: string, path: string, headers: object, body: string): Promise<string> {
  return new Promise(resolve => {
    const options = { host: '127.0.0.1', port, path, method: 'POST', agent, localAddress, rejectUnauthorized: false }
    const asked = (isTls ? requestHttps : requestHttp)({ ...options, headers: { ...headers } }, answer => {
      answer.resume()
      answer.once('end', () => resolve(String(answer.statusCode)))
      answer.once('error', (err: NodeJS.ErrnoException) => resolve(err.code ?? err.message))
    })
    asked.once('error', (err: NodeJS.ErrnoException) => resolve(err.code ?? err.message))
    asked.end(body)
  })
}

const agentOf = () => (isTls ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true }))

async function call(token: string, number: number): Promise<void> {
  const [agent, address] = [agentOf(), `127.0.1.${number + 1}`]
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const body = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: `question ${number}` }] })
  await pause((THINK_MS * number) / tokens.length)
  for (;;) {
    const startedMs = performance.now()
    const outcome = await ask(agent, address, '/v1/chat/completions', headers, body)
    if (outcome === '200') tookMs.push(performance.now() - startedMs)
    else note(outcome)
    await pause(THINK_MS)
  }
}

async function login(): Promise<void> {
  const agent = agentOf()
  const headers = { 'content-type': 'application/json' }
  for (;;) {
    const outcome = await ask(agent, '127.0.1.99', '/login', headers, '{"username":"ada","password":"right"}')
    if (outcome === '200') logins++
    else note(`login ${outcome}`)
    await pause(LOGIN_EVERY_MS)
  }
}

const rankOf = (sorted: readonly number[], share: number) => sorted[Math.floor(sorted.length * share)] ?? Number.NaN

process.on('message', () => {
  const sorted = tookMs.toSorted((a, b) => a - b)
  const figures: HonestFigures = {
    calls: sorted.length,
    p50Ms: rankOf(sorted, 0.5),
    p99Ms: rankOf(sorted, 0.99),
    refused: Object.fromEntries(refused),
    logins
  }
  tookMs = []
  refused = new Map()
  logins = 0
  process.send?.(figures)
})
process.once('disconnect', () => process.exit())
for (const [number, token] of tokens.entries()) void call(token, number)
void login()
