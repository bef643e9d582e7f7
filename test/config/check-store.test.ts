import { writeFileSync } from 'node:fs'
import t from 'tap'
import { checkStore } from '../../src/config/check-store.ts'
import { crossCheck } from '../../src/config/cross-check.ts'
import { pathText } from '../../src/config/faults.ts'
import { makeCertificate } from '../helpers/certificate.ts'

const of = (store: unknown, file = '/nowhere/gate.yaml') =>
  checkStore({ store }, file).map(({ code, path, message, hint = '' }) => ({
    at: `${code} ${pathText(path)}`,
    text: `${message} | ${hint}`
  }))
const SECRET = 'p4ssw0rd'

t.test('a URL that would not be used as it is written is a fault that says what is allowed', async t => {
  for (const [url, text] of [
    ['redis://a:1,b:2', /names 2 servers, and one is allowed \| .*store\.sentinel\.hosts/],
    [`redis://u:${SECRET}@a:1,b:2,c:3`, /names 3 servers/],
    ['redis://a:99999', /port from 1 to 65535/],
    ['redis://a:0', /port from 1 to 65535/],
    ['redis://', /no host/],
    ['redis://:6379', /no host/],
    ['redis://[::1', /no host/],
    ['redis://a b', /no host/],
    [`redis://:${SECRET}`, /no host/],
    ['redis://a/x', /number of a database/],
    ['redis://a/100', /number of a database/],
    [`redis://u:${SECRET}/x@a`, /%2F/],
    [`redis://u:${SECRET}#x@a`, /%23/],
    [`redis://u:${SECRET}?x@a`, /%3F/],
    ['redis://a:1?tls=true', /query/],
    ['redis://a:1/0?family=6', /query/],
    [`redis://u:${SECRET}%@a`, /percent-encoded/],
    [`redis://${SECRET}@a`, /without a password/]
  ] as const) {
    const found = of({ url })
    t.equal(found.length, 1, url)
    t.match(found[0], { at: 'E371 store.url', text }, url)
    t.notMatch(found[0]?.text, SECRET, 'no secret of it is shown')
  }
  for (const url of [
    'redis://a',
    'valkeys://a:1/15',
    'redis://:p@[::1]:6379',
    `redis://u:${encodeURIComponent('/?#@%')}@a.b_c-d:1/2`,
    'redis://u:p@ss@a'
  ]) {
    t.strictSame(of({ url }), [], url)
  }
})

t.test('keys that do not fit together are faults, each in its place', async t => {
  const url = 'redis://a'
  const sentinel = { name: 'm', hosts: ['a'] }
  for (const [store, at] of [
    [{}, 'E370 store'],
    [{ url, sentinel }, 'E370 store.sentinel'],
    [{ sentinel, cluster: true }, 'E372 store.cluster'],
    [{ url: 'redis://a/3', cluster: true }, 'E372 store.url'],
    [{ url, nodes: ['b'] }, 'E372 store.nodes'],
    [{ url, database: 1 }, 'E372 store.database'],
    [{ url, tls: true }, 'E372 store.tls'],
    [{ url, cluster: true, nodes: ['b', 'c:70000'] }, 'E373 store.nodes[1]'],
    [{ sentinel: { name: 'm', hosts: ['a:0'] } }, 'E373 store.sentinel.hosts[0]'],
    [{ url: 'redis://:p@a', password: 'q' }, 'E374 store.password'],
    [{ url, username: 'u' }, 'E374 store.username'],
    [{ sentinel: { ...sentinel, username: 'u' } }, 'E374 store.sentinel.username'],
    [{ url, ca: 'ca.pem' }, 'E375 store.ca'],
    [{ sentinel, server_name: 'x' }, 'E375 store.server_name'],
    [{ url: 'rediss://a', cert: 'c.pem' }, 'E313 store.cert']
  ] as const) {
    t.match(
      of(store).map(found => found.at),
      [at],
      JSON.stringify(store)
    )
  }
  t.strictSame(of({ url, username: 'u', password: 'p' }), [])
  t.strictSame(of({ sentinel: { ...sentinel, tls: true }, tls: true, server_name: 'x', database: 3 }), [])
  t.strictSame(of({ url, cluster: true, nodes: ['[::1]:7001', 'b'] }), [])
})

t.test('files of TLS that cannot be used are faults before anything starts', async t => {
  const { certFile, keyFile } = makeCertificate(t)
  const other = makeCertificate(t)
  const file = `${t.testdir({ 'empty.pem': '', 'text.pem': 'no certificate' })}/gate.yaml`
  const url = 'rediss://a'
  t.strictSame(of({ url, ca: certFile, cert: certFile, key: keyFile }, file), [])
  for (const ca of ['empty.pem', 'text.pem', keyFile]) t.match(of({ url, ca }, file), [{ at: 'E376 store.ca' }], ca)
  t.match(of({ url, cert: certFile, key: other.keyFile }, file), [{ at: 'E376 store.cert' }], 'a key of another one')
  writeFileSync(file, '')
  for (const [ca, message] of [
    ['none.pem', 'does not exist'],
    ['.', 'cannot be read (EISDIR)']
  ] as const) {
    const found = crossCheck(file, { store: { url, ca } }).filter(({ code }) => code === 'E311')
    t.match(found, [{ path: ['store', 'ca'], message: `the file ${ca} ${message}` }])
  }
})
