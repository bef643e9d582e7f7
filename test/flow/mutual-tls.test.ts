import { createServer, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { parseConfig } from '../../src/config/load.ts'
import { type Certificate, makeCertificate } from '../helpers/certificate.ts'
import { world } from '../helpers/world.ts'

/** A call over TLS. @returns the status, or the code of why there was no connection */
async function call(port: number, token: string, init: { ca: string; own?: Certificate }): Promise<number | string> {
  const { ca, own } = init
  return await new Promise(resolve => {
    const body = '{"model":"m","messages":[]}'
    const asked = request(
      {
        host: '127.0.0.1',
        port,
        path: '/v1/chat/completions',
        method: 'POST',
        agent: false,
        ca,
        ...(own === undefined ? {} : { cert: own.cert, key: own.key }),
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
      },
      answer => {
        answer.resume()
        answer.once('end', () => resolve(answer.statusCode ?? 0))
      }
    )
    asked.once('error', (err: NodeJS.ErrnoException) => resolve(err.code ?? err.message))
    asked.end(body)
  })
}

/** An engine that serves whoever shows a certificate that `trusted` vouches for. */
async function strictEngine(t: Test, own: Certificate, trusted: string) {
  let calls = 0
  const server = createServer(
    { cert: own.cert, key: own.key, ca: trusted, requestCert: true, rejectUnauthorized: true },
    (incoming, response) => {
      if (incoming.method === 'POST') calls++
      response.end('{}')
    }
  )
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { origin: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, calls: () => calls }
}

t.test(
  'callers show a certificate that the named authority has signed, or get no further than the handshake',
  async t => {
    const [gate, friend, stranger] = [makeCertificate(t), makeCertificate(t), makeCertificate(t)]
    const w = await world(t, {
      yaml: ({ engine, issuer }) => `
server: { tls: { cert: ${gate.certFile}, key: ${gate.keyFile}, client_ca: ${friend.certFile} } }
issuers: [{ issuer: "${issuer}", jwks_url: "${issuer}/jwks.json", audience: inference }]
pools: { p: { engine: vllm, targets: ["${engine}"], models: [m] } }
teams: { team-a: { pool: p } }`
    })
    const token = await w.issuer.sign()
    t.equal(await call(w.port, token, { ca: gate.cert, own: friend }), 200)
    t.type(await call(w.port, token, { ca: gate.cert }), 'string')
    t.type(await call(w.port, token, { ca: gate.cert, own: stranger }), 'string')
    t.equal((await w.engine.requests()).length, 1)
    const refused = (await w.audits(3)).filter(line => line['tollgate.code'] === 'TOLLGATE_ACCEPT_TLS')
    t.strictSame(
      refused.map(line => line['source.ip']),
      ['127.0.0.1', '127.0.0.1']
    )
  }
)

t.test('an engine that asks for a certificate is shown the one of its target, and no other', async t => {
  const [theirs, ours, other] = [makeCertificate(t), makeCertificate(t), makeCertificate(t)]
  const engine = await strictEngine(t, theirs, ours.cert)
  for (const [shown, status] of [
    [ours, 200],
    [other, 502],
    [null, 502]
  ] as const) {
    await t.test(`${status}`, async t => {
      const own = shown === null ? '' : `, cert: ${shown.certFile}, key: ${shown.keyFile}`
      const w = await world(t, {
        yaml: ({ issuer }) => `
issuers: [{ issuer: "${issuer}", jwks_url: "${issuer}/jwks.json", audience: inference }]
pools: { p: { engine: vllm, targets: [{ url: "${engine.origin}", ca: ${theirs.certFile}${own} }], models: [m] } }
teams: { team-a: { pool: p } }`
      })
      const answer = await w.ask('/v1/chat/completions', { body: { model: 'm', messages: [] } })
      t.equal(answer.status, status)
      if (status === 502) t.match((await w.audit())['tollgate.code'], /^TOLLGATE_FORWARD_(TLS|RESET)$/)
    })
  }
  t.equal(engine.calls(), 1)
})

t.test('a certificate without its key, or a file that is not there, is a fault with its place', async t => {
  const own = makeCertificate(t)
  const faultsOf = (target: string, tls = '') =>
    parseConfig(
      `${tls}issuers: [{ issuer: "https://i", audience: a }]
pools: { p: { engine: vllm, targets: [{ url: "https://e", ${target} }] } }
teams: { t: { pool: p } }
`,
      { file: '/tmp/tollgate.yaml', env: {} }
    ).faults.map(({ code, path }) => `${code} ${path}`)
  t.strictSame(faultsOf(`cert: ${own.certFile}`), ['E313 pools.p.targets[0]'])
  t.strictSame(faultsOf(`key: ${own.keyFile}`), ['E313 pools.p.targets[0]'])
  t.strictSame(faultsOf(`cert: ${own.certFile}, key: nowhere.pem`), ['E311 pools.p.targets[0].key'])
  const tls = `server: { tls: { cert: ${own.certFile}, key: ${own.keyFile}, client_ca: nowhere.pem } }\n`
  t.strictSame(faultsOf(`cert: ${own.certFile}, key: ${own.keyFile}`, tls), ['E311 server.tls.client_ca'])
})
