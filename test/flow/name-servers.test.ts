import { writeFileSync } from 'node:fs'
import { createServer, type Server, type ServerResponse } from 'node:http'
import t, { type Test } from 'tap'
import { NEVER_SHEDS } from '../helpers/gate-process.ts'
import { makeKey, signWith } from '../helpers/issuer.ts'
import { startNameServer } from '../helpers/name-server.ts'
import { freePort } from '../helpers/ports.ts'
import { noOwnResolvConf, ownLoopback, runGateResolving } from '../helpers/resolv-conf.ts'

const ISSUER = 'https://idp.example.com'
const ANSWER = JSON.stringify({
  id: 'c',
  object: 'chat.completion',
  choices: [],
  usage: { prompt_tokens: 1, completion_tokens: 1 }
})

/** An engine that says in a header where it is; a streamed call goes on until `end`. */
async function engineAt(t: Test, address: string, port: number) {
  const streams: ServerResponse[] = []
  const server: Server = createServer(async (request, response) => {
    let body = ''
    for await (const piece of request) body += String(piece)
    if (!body.includes('"stream":true')) {
      response.writeHead(200, { 'content-type': 'application/json', server: address }).end(ANSWER)
      return
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: {}\n\n')
    streams.push(response)
  })
  await new Promise<void>(resolve => server.listen(port, address, resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  let calls = 0
  server.on('request', request => {
    if (request.method === 'POST') calls++
  })
  return {
    address,
    streams,
    get calls() {
      return calls
    }
  }
}

/** A gate whose resolv.conf is like that of a pod of Kubernetes, with a name server of the test. */
async function scene(t: Test, pools: (port: number) => string, more = '') {
  const names = await startNameServer(t, {}, { address: ownLoopback(), port: 53 })
  const key = makeKey()
  const dir = t.testdir({ 'jwks.json': JSON.stringify({ keys: [key.publicJwk] }) })
  const [port, adminPort, enginePort] = [await freePort(), await freePort(), await freePort()]
  const teams = ['quiet', 'healthy', 'mixed'].map(name => `team-${name}: { pool: ${name} }`)
  const text = `server: { listen: "127.0.0.1:${port}", ${NEVER_SHEDS} }
admin: { listen: "127.0.0.1:${adminPort}" }
pools: { ${pools(enginePort)} }
resolver: { timeout: 2s }
teams: { ${teams.filter(team => pools(enginePort).includes(team.split(' ').at(-2) ?? '')).join(', ')} }
audit: { to: audit.log }
${more === '' ? `issuers: [{ issuer: "${ISSUER}", jwks_file: jwks.json, audience: inference }]` : more}
`
  writeFileSync(`${dir}/tollgate.yaml`, text)
  const start = async () => {
    const conf = `nameserver ${names.address.split(':')[0]}\nsearch ns.svc.cluster.test svc.cluster.test\noptions ndots:5\n`
    const gate = runGateResolving(t, ['serve', '--config', `${dir}/tollgate.yaml`], conf)
    await gate.says('the gate is open')
    await gate.says('keys are in use')
    return gate
  }
  const call = async (team: string, body: object = {}) => {
    const sinceMs = performance.now()
    const answer = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${await signWith(key, { iss: ISSUER, team_id: `team-${team}` })}`,
        'content-type': 'application/json'
      },
      body: JSON.stringify({ model: 'm', messages: [], ...body })
    })
    const tookMs = () => performance.now() - sinceMs
    // Who reads nothing of a stream must keep it, or it is ended as garbage.
    const text = 'stream' in body ? '' : await answer.text()
    return { answer, status: answer.status, tookMs: tookMs(), text }
  }
  return { names, dir, adminPort, enginePort, start, call }
}

const skip = noOwnResolvConf()

t.test(
  'a silent name server stops the names that it has to say, and no other pool, target, key or sink',
  { skip },
  async t => {
    const quiet = [1, 2, 3, 4].map(n => `"http://gpu${n}.quiet:8000"`)
    const s = await scene(
      t,
      port => `quiet: { engine: vllm, targets: [${quiet.join(', ')}], models: [m], health: { every: 500ms } },
  mixed: { engine: vllm, targets: ["http://gpu5.quiet:8000", "http://engine:${port}"], models: [m] },
  healthy: { engine: vllm, targets: ["http://engine:${port}"], models: [m] }`,
      `issuers:
  - { issuer: "${ISSUER}", jwks_file: jwks.json, audience: inference }
  - { issuer: "https://idp.quiet", jwks_url: "https://idp.quiet/jwks", audience: inference }
metering: { dir: ledger, sinks: { s: { http: { url: "https://sink.quiet/usage" } } } }`
    )
    await engineAt(t, '127.0.0.1', s.enginePort)
    s.names.zones.set('engine.ns.svc.cluster.test', { a: ['127.0.0.1'], ttl: 1 })
    const silent = ['gpu1', 'gpu2', 'gpu3', 'gpu4', 'gpu5', 'idp', 'sink'].map(
      name => `${name}.quiet.ns.svc.cluster.test`
    )
    for (const name of silent) s.names.zones.set(name, 'silent')
    const gate = await s.start()
    const waiting = Promise.all([1, 2, 3, 4].map(() => s.call('quiet')))
    const others: { status: number; tookMs: number }[] = []
    let isOver = false
    const asking = (async () => {
      for (const team of ['healthy', 'mixed']) {
        // Behind the rests of connections, so that new ones are made all the time.
        for (let i = 0; !isOver || i < 20; i++) others.push(...(await Promise.all([1, 2, 3].map(() => s.call(team)))))
      }
    })()
    const quietCalls = await waiting
    isOver = true
    await asking
    t.strictSame([...new Set(others.map(({ status }) => status))], [200])
    t.ok(
      Math.max(...others.map(({ tookMs }) => tookMs)) < 4_000,
      `${Math.max(...others.map(({ tookMs }) => tookMs))} ms`
    )
    t.strictSame(
      quietCalls.map(({ status }) => status),
      [503, 503, 503, 503]
    )
    t.ok(Math.max(...quietCalls.map(({ tookMs }) => tookMs)) < 8_000, 'no call waits longer than for one resolution')
    t.notMatch(quietCalls.map(({ text }) => text).join(), /gpu|quiet|127\./)
    t.match(
      gate.stderr(),
      /"name":"gpu1\.quiet"[^\n]*"cause":"no answer of the name servers[^\n]*"DNS resolution failed"/
    )
    const detail = await (await fetch(`http://127.0.0.1:${s.adminPort}/readyz`)).text()
    t.match(detail, /DNS_TIMEOUT/)

    for (const name of silent.slice(0, 4)) s.names.zones.set(name, { a: ['127.0.0.1'], ttl: 1 })
    await gate.says(/"name":"gpu1\.quiet"[^\n]*"DNS resolution recovered"/)
    t.notMatch(gate.stderr(), /is left out/, 'no engine is ejected for its name')
  }
)

t.test(
  'when a name moves, new calls go to the new address at once, though the old one lives and is busy; several take turns',
  { skip },
  async t => {
    const s = await scene(t, port => `healthy: { engine: vllm, targets: ["http://engine:${port}"], models: [m] }`)
    const [old, next] = [await engineAt(t, '127.0.0.1', s.enginePort), await engineAt(t, '127.0.0.2', s.enginePort)]
    s.names.zones.set('engine.ns.svc.cluster.test', { a: ['127.0.0.1'], ttl: 1 })
    const gate = await s.start()
    const { answer } = await s.call('healthy', { stream: true })
    for (let i = 0; i < 5; i++) await s.call('healthy')
    t.strictSame([old.calls, next.calls], [6, 0])
    s.names.zones.set('engine.ns.svc.cluster.test', { a: ['127.0.0.2'], ttl: 1 })
    const untilMs = performance.now() + 5_000
    // Calls all the time, so that the old connections are never idle for long.
    while (next.calls === 0 && performance.now() < untilMs) await s.call('healthy')
    const before = old.calls
    for (let i = 0; i < 10; i++) t.equal((await s.call('healthy')).status, 200)
    t.equal(old.calls, before)
    t.match(gate.stderr(), /"added":\["127\.0\.0\.2"\],"removed":\["127\.0\.0\.1"\][^\n]*"upstream addresses changed"/)
    const [stream] = old.streams
    t.equal(stream?.destroyed, false, 'what runs there goes on')
    stream?.end('data: [DONE]\n\n')
    t.match(await answer.text(), /DONE/)

    // Several addresses are used fairly. The first answer of all was a change too.
    s.names.zones.set('engine.ns.svc.cluster.test', { a: ['127.0.0.2', '127.0.0.1'], ttl: 30 })
    await gate.says(/"added":\["127\.0\.0\.1"\],"removed":\[\][^\n]*"upstream addresses changed"/, 2)
    const [oldBefore, nextBefore] = [old.calls, next.calls]
    for (let i = 0; i < 20; i++) await s.call('healthy')
    t.match([old.calls - oldBefore >= 8, next.calls - nextBefore >= 8], [true, true])
  }
)
