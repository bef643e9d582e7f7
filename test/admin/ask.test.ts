import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { askGate } from '../../src/admin/ask.ts'

t.test('a command asks with its token and its body, and is told what a person can do about a failure', async t => {
  const asked: { request: IncomingMessage; body: string }[] = []
  let status = 200
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const piece of request) body += String(piece)
    asked.push({ request, body })
    response.writeHead(status).end(status === 200 ? '{"ok":true}' : 'no JSON')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  t.strictSame(await askGate({ url, token: null }, '/-/config'), { status: 200, body: { ok: true } })
  t.match(asked[0]?.request, { method: 'GET', url: '/-/config' })
  t.notOk('authorization' in (asked[0]?.request.headers ?? {}))

  await askGate({ url, token: 'a-token-of-16-or-more' }, '/-/bans', { method: 'POST', body: { ip: '203.0.113.7' } })
  t.match(asked[1], {
    request: { headers: { authorization: 'Bearer a-token-of-16-or-more', 'content-type': 'application/json' } },
    body: '{"ip":"203.0.113.7"}'
  })

  status = 404
  t.strictSame(await askGate({ url, token: null }, '/-/nothing'), { status: 404, body: null })
  status = 401
  await t.rejects(askGate({ url, token: null }, '/-/config'), /TOLLGATE_ADMIN_TOKEN/)
  status = 403
  await t.rejects(askGate({ url, token: null }, '/-/config'), /TOLLGATE_ADMIN_TOKEN/)
  server.closeAllConnections()
  await new Promise(resolve => server.close(resolve))
  await t.rejects(askGate({ url, token: null }, '/-/config'), /does not answer \(.+\); give its second listener/)
})
