import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { startEngine } from '../helpers/engine.ts'
import { makeFolder } from '../helpers/folder.ts'
import { type GateProcess, NEVER_SHEDS, runGate } from '../helpers/gate-process.ts'
import { makeKey, signWith, type TestKey } from '../helpers/issuer.ts'
import { type PlainHttp, plainHttp } from '../helpers/plain-http.ts'
import { freePort } from '../helpers/ports.ts'
import { startRedis, WITHOUT_REDIS } from '../helpers/redis.ts'
import { readScrape } from '../helpers/scrape.ts'
import { until } from '../helpers/stores.ts'

const ISSUER = 'https://idp.example.com'
const CHAT = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'x' }] })

/** A gate process behind a proxy of this machine, and a client for each of some connections. */
interface Scene {
  readonly gate: GateProcess
  readonly adminUrl: string
  readonly file: string
  readonly text: (bans: string) => string
  readonly client: PlainHttp
  /** A chat as the proxy passes it on. @returns its status and `Retry-After` */
  chat(from: string, token: string | null): Promise<{ status: number; retryAfter: string | undefined }>
  bans(): Promise<readonly { key: string; times: number; reason: string }[]>
}

async function open(t: Test, { key, more = '' }: { key: TestKey; more?: string }): Promise<Scene> {
  const engine = await startEngine(t, { script: { kind: 'serve', events: 1 } })
  // A folder for each gate of a test.
  const dir = makeFolder(t)
  writeFileSync(`${dir}/jwks.json`, JSON.stringify({ keys: [key.publicJwk] }))
  const [port, adminPort] = [await freePort(), await freePort()]
  const file = `${dir}/gate.yaml`
  const text = (
    bans: string
  ) => `server: { listen: "127.0.0.1:${port}", drain: { accept: 1ms, timeout: 5s }, ${NEVER_SHEDS} }
admin: { listen: "127.0.0.1:${adminPort}" }
clients: { trusted_proxies: [127.0.0.1], bans: { ${bans} } }
issuers: [{ issuer: "${ISSUER}", jwks_file: jwks.json, audience: inference }]
pools: { p: { engine: vllm, targets: ["${engine.origin}"], models: [m] } }
teams: { team-a: { pool: p } }
audit: { to: audit.log }
${more}`
  writeFileSync(file, text(''))
  const gate = runGate(t, ['serve', '--config', file])
  await gate.says('the gate is open')
  await gate.says('keys are in use')
  const client = plainHttp(port)
  t.teardown(() => client.close())
  const adminUrl = `http://127.0.0.1:${adminPort}`
  return {
    gate,
    adminUrl,
    file,
    text,
    client,
    async chat(from, token) {
      const { status, headers } = await client.ask('POST', '/v1/chat/completions', {
        headers: {
          host: 'gate',
          'content-type': 'application/json',
          'x-forwarded-for': from,
          ...(token === null ? {} : { authorization: `Bearer ${token}` })
        },
        body: CHAT
      })
      return { status, retryAfter: headers['retry-after'] }
    },
    bans: async () =>
      ((await (await fetch(`${adminUrl}/-/bans`)).json()) as { bans: { key: string; times: number; reason: string }[] })
        .bans
  }
}

/** A token that looks good and is signed by nobody: each one is another. */
function forge(good: string): string {
  return `${good.slice(0, good.lastIndexOf('.'))}.${randomBytes(64).toString('base64url')}`
}

t.test(
  '10,000 bad tokens from 200 addresses while 50 honest users call: every attacker is banned with its twentieth, and no honest call is refused',
  async t => {
    const key = makeKey()
    const { chat, bans, adminUrl, gate, client } = await open(t, { key })
    const attackers = Array.from({ length: 200 }, (_, i) => `203.0.113.${i}`)
    const honest = await Promise.all(
      Array.from({ length: 50 }, async (_, i) => ({
        // Ten of them share the address of an attacker.
        from: i < 10 ? `203.0.113.${i}` : `198.51.100.${i}`,
        token: await signWith(key, { iss: ISSUER, sub: `u-${i}` })
      }))
    )
    const sample = await signWith(key, { iss: ISSUER })
    for (const { from, token } of honest) t.equal((await chat(from, token)).status, 200)

    const refusedHonest: number[] = []
    let calls = 0
    let isOver = false
    const users = honest.map(async ({ from, token }) => {
      do {
        const { status } = await chat(from, token)
        calls++
        if (status !== 200) refusedHonest.push(status)
      } while (!isOver)
    })
    const answersOf = new Map(attackers.map(from => [from, [] as number[]]))
    const attack = async (from: string) => {
      for (let i = 0; i < 50; i++) {
        const { status, retryAfter } = await chat(from, forge(sample))
        answersOf.get(from)?.push(status)
        if (status === 429 && !(Number(retryAfter) > 0)) throw new Error(`Retry-After: ${retryAfter}`)
      }
    }
    await Promise.all(attackers.map(attack))
    isOver = true
    await Promise.all(users)

    t.strictSame(refusedHonest, [], `of ${calls} honest calls`)
    t.ok(calls >= 50)
    const wrong = [...answersOf].filter(
      ([, answers]) => answers.join() !== [...Array(20).fill(401), ...Array(30).fill(429)].join()
    )
    t.strictSame(wrong, [], 'twenty are looked at, and thirty are not')
    t.equal((await bans()).length, 200)

    const metrics = readScrape(await (await fetch(`${adminUrl}/metrics`)).text())
    t.equal(metrics.value('tollgate_ip_bans_total', { reason: 'failures' }), 200)
    t.equal(metrics.value('tollgate_ip_bans_active'), 200)
    t.equal(metrics.value('tollgate_auth_total', { result: 'banned', issuer: 'other' }), 6_000)
    t.equal(metrics.value('tollgate_ip_ban_evictions_total', { what: 'counter' }), 0)
    t.equal(gate.stderr().split('"an address is banned"').length - 1, 200, 'a line for each')

    // Behind the same address, a token that the gate has not seen is refused, and so is no token at all.
    const [first] = honest
    t.equal((await chat(first?.from ?? '', await signWith(key, { iss: ISSUER, sub: 'new' }))).status, 429)
    t.equal((await chat(first?.from ?? '', null)).status, 429)
    t.equal((await chat('198.51.100.77', await signWith(key, { iss: ISSUER, sub: 'new' }))).status, 200)
    // Nobody banned the proxy, nor a victim that an attacker named in front of its own address.
    for (let i = 0; i < 30; i++) await chat(`192.0.2.9, 203.0.113.1:${1_000 + i}`, forge(sample))
    for (let i = 0; i < 30; i++) await chat('nonsense', forge(sample))
    t.equal((await chat('192.0.2.9', sample)).status, 200)
    t.equal((await chat('', sample)).status, 200)
    client.close()
  }
)

t.test('a softly banned neighbour goes on with a token that has to be verified again in the meantime', async t => {
  const key = makeKey()
  const { chat, adminUrl } = await open(t, { key, more: 'tokens: { cache: { max_ttl: 1s } }' })
  const known = await signWith(key, { iss: ISSUER })
  t.equal((await chat('203.0.113.1', known)).status, 200)
  for (let i = 0; i < 20; i++) await chat('203.0.113.1', forge(known))
  const misses = async () =>
    readScrape(await (await fetch(`${adminUrl}/metrics`)).text()).value('tollgate_token_cache_misses_total')
  const before = Number(await misses())
  await until(async () => {
    t.equal((await chat('203.0.113.1', known)).status, 200)
    return Number(await misses()) > before
  })
  t.equal((await chat('203.0.113.1', await signWith(key, { iss: ISSUER, sub: 'new' }))).status, 429)
})

t.test('one stale token in a loop bans nobody, nor do expired ones', async t => {
  const key = makeKey()
  const { chat, bans } = await open(t, { key })
  const stale = forge(await signWith(key, { iss: ISSUER }))
  for (let i = 0; i < 60; i++) t.equal((await chat('203.0.113.1', stale)).status, 401)
  const nowSec = Math.floor(Date.now() / 1_000)
  for (let i = 0; i < 40; i++) {
    const expired = await signWith(key, { iss: ISSUER, sub: `u-${i}`, iat: nowSec - 700, exp: nowSec - 100 })
    t.equal((await chat('203.0.113.1', expired)).status, 401)
  }
  t.strictSame(await bans(), [])
})

t.test('a reload keeps bans, follows the mode, and lifts those of networks that are never banned', async t => {
  const key = makeKey()
  const { chat, bans, gate, file, text } = await open(t, { key })
  const known = await signWith(key, { iss: ISSUER })
  for (const from of ['203.0.113.1', '203.0.113.2']) {
    t.equal((await chat(from, known)).status, 200)
    for (let i = 0; i < 20; i++) await chat(from, forge(known))
  }
  t.equal((await bans()).length, 2)
  writeFileSync(file, text('mode: strict, never: [203.0.113.2]'))
  gate.child.kill('SIGHUP')
  await until(async () => (await bans()).length === 1)
  t.equal((await chat('203.0.113.1', known)).status, 429)
  t.equal((await chat('203.0.113.2', known)).status, 200)
})

t.test('B8: a ban, and its lift, are known to another gate within five seconds', WITHOUT_REDIS, async t => {
  const server = await startRedis(t)
  const key = makeKey()
  const more = `store: { url: "${server.url}" }`
  const [one, two] = [await open(t, { key, more }), await open(t, { key, more })]
  const token = await signWith(key, { iss: ISSUER })
  for (let i = 0; i < 20; i++) await one.chat('203.0.113.1', forge(token))
  await until(async () => (await two.bans()).length === 1)
  t.equal((await two.chat('203.0.113.1', token)).status, 429)
  t.equal((await fetch(`${two.adminUrl}/-/bans/203.0.113.1`, { method: 'DELETE' })).status, 200)
  await until(async () => (await one.bans()).length === 0)
  t.equal((await one.chat('203.0.113.1', token)).status, 200)
  // A store that is away takes nothing away.
  await server.kill()
  for (let i = 0; i < 20; i++) await one.chat('203.0.113.3', forge(token))
  t.equal((await one.chat('203.0.113.3', forge(token))).status, 429)
  await server.start()
  await until(async () => (await two.bans()).length === 1)
  t.match(await two.bans(), [{ key: '203.0.113.3', reason: 'failures' }])
})
