import t from 'tap'
import { checkHead } from '../../src/accept/head.ts'
import { GateError } from '../../src/errors.ts'

const HOST = ['Host', 'gate.example.com:8080']

function codeOf(rawHeaders: string[], more: { method?: string; httpVersion?: string; names?: string[] } = {}): string {
  try {
    checkHead(
      { httpVersion: more.httpVersion ?? '1.1', method: more.method ?? 'POST', rawHeaders },
      new Set(more.names ?? [])
    )
    return 'pass'
  } catch (err) {
    return err instanceof GateError ? err.code : String(err)
  }
}

t.test('an ordinary request passes', async t => {
  t.equal(codeOf([...HOST, 'Content-Type', 'application/json', 'Transfer-Encoding', 'chunked']), 'pass')
})

t.test('a request without Host, with two, or with one that is no host is refused', async t => {
  t.equal(codeOf([]), 'TOLLGATE_ACCEPT_HOST')
  t.equal(codeOf([...HOST, 'host', 'gate.example.com']), 'TOLLGATE_ACCEPT_HOST')
  for (const host of ['', 'a b', 'a/b', 'user@host', 'host:', 'host:123456', '-', 'a..', '[::1', 'a\\b', 'a,b']) {
    t.equal(codeOf(['Host', host]), 'TOLLGATE_ACCEPT_HOST', host)
  }
  for (const host of ['localhost', '127.0.0.1:8080', '[::1]:8080', 'my_gate', 'a']) {
    t.equal(codeOf(['Host', host]), 'pass', host)
  }
})

t.test('with names configured, only these hosts are served, whatever their case and port', async t => {
  const names = ['gate.example.com']
  t.equal(codeOf(['Host', 'GATE.example.com:443'], { names }), 'pass')
  t.equal(codeOf(['Host', 'other.example.com'], { names }), 'TOLLGATE_ACCEPT_HOST')
})

t.test('HTTP/1.0, TRACE and CONNECT are not served', async t => {
  t.equal(codeOf(HOST, { httpVersion: '1.0' }), 'TOLLGATE_ACCEPT_VERSION')
  t.equal(codeOf(HOST, { method: 'TRACE' }), 'TOLLGATE_ACCEPT_METHOD')
  t.equal(codeOf(HOST, { method: 'CONNECT' }), 'TOLLGATE_ACCEPT_METHOD')
})

t.test('a name with an underscore is refused: a server behind might read it as another', async t => {
  t.equal(codeOf([...HOST, 'X_Team_Id', 'evil']), 'TOLLGATE_ACCEPT_HEADERS')
})

t.test('a hundred headers pass, one more is refused', async t => {
  const many = (count: number) => [...HOST, ...Array.from({ length: count - 1 }, (_, i) => [`x-${i}`, 'v']).flat()]
  t.equal(codeOf(many(100)), 'pass')
  t.equal(codeOf(many(101)), 'TOLLGATE_ACCEPT_HEADERS')
})

t.test('an upgrade, a second content type or encoding, and any transfer encoding but chunked are refused', async t => {
  t.equal(codeOf([...HOST, 'Upgrade', 'h2c']), 'TOLLGATE_ACCEPT_HEADERS')
  const type = ['Content-Type', 'application/json']
  t.equal(codeOf([...HOST, ...type, 'content-type', 'text/plain']), 'TOLLGATE_ACCEPT_HEADERS')
  t.equal(codeOf([...HOST, 'Content-Encoding', 'identity', 'content-encoding', 'gzip']), 'TOLLGATE_ACCEPT_HEADERS')
  t.equal(codeOf([...HOST, 'Transfer-Encoding', 'gzip, chunked']), 'TOLLGATE_ACCEPT_HEADERS')
})
