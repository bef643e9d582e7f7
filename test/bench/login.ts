import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { pino } from 'pino'
import { buildApp } from '../../src/app.ts'
import { parseConfig } from '../../src/config/load.ts'
import { buildDeps } from '../../src/deps.ts'
import { hashPassword, phcText } from '../../src/mint/passwords.ts'
import { auc, compare, quantile } from './ranks.ts'

/**
 * Whether time tells who is a user: failed logins of users, of names that nobody has and of suspended users, in turns, over one
 * connection, each name once. What is compared is said by the Mann–Whitney test.
 */
const { values } = parseArgs({ options: { calls: { type: 'string', default: '400' } } })
const CALLS = Number(values.calls)
const KINDS = ['known', 'unknown', 'suspended'] as const

const dir = mkdtempSync(join(tmpdir(), 'tollgate-login-'))
const user = async (name: string, more: string) =>
  `  ${name}: { password: "${phcText(await hashPassword('right'))}", team: t, scopes: [infer:text]${more} }\n`
let users = 'users:\n'
for (let i = 0; i < CALLS; i++)
  users += (await user(`known${i}`, '')) + (await user(`suspended${i}`, ', suspended: true'))
writeFileSync(join(dir, 'users.yaml'), users, { mode: 0o600 })
const file = join(dir, 'tollgate.yaml')
const loaded = parseConfig(
  `pools: { p: { engine: openai, targets: ["http://127.0.0.1:9"], models: [m] } }
teams: { t: { pool: p } }
mint: { issuer: "https://g", audience: a, keys: { dir: keys }, users: users.yaml }
audit: { to: audit.log }
`,
  { file, env: process.env }
)
if (!loaded.ok) throw new Error(JSON.stringify(loaded.faults))
const built = buildDeps(loaded.config, { log: pino({ level: 'silent' }) })
const app = await buildApp(built.app)
await app.listen({ host: '127.0.0.1', port: 0 })
const { port } = app.server.address() as AddressInfo
const agent = new Agent({ keepAlive: true, maxSockets: 1 })

/** @returns milliseconds from the request to the end of its answer */
function login(username: string): Promise<number> {
  const body = `username=${username}&password=wrong`
  const headers = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': body.length }
  return new Promise((resolve, reject) => {
    const begun = performance.now()
    const asked = request({ agent, port, path: '/login', method: 'POST', headers }, answer => {
      answer.resume()
      answer.once('end', () => {
        if (answer.statusCode === 400) resolve(performance.now() - begun)
        else reject(new Error(`${username}: ${answer.statusCode}`))
      })
    })
    asked.once('error', reject)
    asked.end(body)
  })
}

try {
  for (let i = 0; i < 20; i++) await login(`warm${i}`)
  const took: Record<(typeof KINDS)[number], number[]> = { known: [], unknown: [], suspended: [] }
  for (let i = 0; i < CALLS; i++) {
    // In another order each time: what comes after what must not tell either.
    const order = KINDS.map(kind => ({ kind, at: Math.random() })).sort((a, b) => a.at - b.at)
    for (const { kind } of order) took[kind].push(await login(`${kind}${i}`))
  }
  const ms = (value: number) => `${value.toFixed(2)} ms`
  for (const kind of KINDS) {
    const all = took[kind]
    process.stdout.write(
      `${kind.padEnd(10)} n ${all.length}  p10 ${ms(quantile(all, 0.1))}  median ${ms(quantile(all, 0.5))}  p90 ${ms(quantile(all, 0.9))}\n`
    )
  }
  for (const kind of ['unknown', 'suspended'] as const) {
    const { z, p } = compare(took.known, took[kind])
    process.stdout.write(
      `known against ${kind}: AUC ${auc(took.known, took[kind]).toFixed(3)} (0.5: cannot be told apart), ` +
        `Mann-Whitney z ${z.toFixed(2)}, p ${p.toFixed(3)}\n`
    )
    if (p < 0.001) process.exitCode = 1
  }
} finally {
  agent.destroy()
  app.server.closeAllConnections()
  await app.close()
  await built.close()
  rmSync(dir, { recursive: true })
}
