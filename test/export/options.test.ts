import { writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { loadConfig } from '../../src/config/load.ts'
import { fileWithSinks } from '../helpers/sinks.ts'

function load(t: Test, sinks: string, env: NodeJS.ProcessEnv = {}) {
  const dir = t.testdir({ 'ca.pem': 'PEM' })
  writeFileSync(`${dir}/t.yaml`, fileWithSinks(`${dir}/usage`, sinks))
  const loaded = loadConfig(`${dir}/t.yaml`, env)
  return { loaded, faults: loaded.faults.map(({ code, path, message }) => `${code} ${path}: ${message}`) }
}

t.test('sinks have their defaults, their secrets and their certificates', async t => {
  const { loaded, faults } = load(
    t,
    `{ lake: { http: { url: "https://lake.example.com/e", token: "\${env:LAKE}", ca: ca.pem } },
       db: { postgres: { host: db, database: billing, user: tollgate }, by: command, batch: { records: 50, size: 2MiB }, timeout: 1m } }`,
    { LAKE: 'secret-77' }
  )
  t.strictSame(faults, [])
  t.strictSame(loaded.ok && loaded.config.sinks, [
    {
      name: 'lake',
      by: 'gate',
      batchRecords: 500,
      batchBytes: 1024 * 1024,
      timeoutMs: 10_000,
      to: { kind: 'http', url: 'https://lake.example.com/e', token: 'secret-77', ca: 'PEM' }
    },
    {
      name: 'db',
      by: 'command',
      batchRecords: 50,
      batchBytes: 2 * 1024 * 1024,
      timeoutMs: 60_000,
      to: {
        kind: 'postgres',
        host: 'db',
        port: 5432,
        database: 'billing',
        user: 'tollgate',
        password: null,
        tls: true,
        ca: null,
        table: 'tollgate_usage'
      }
    }
  ])
  t.ok(loaded.secrets.includes('secret-77'))
})

t.test('every mistake is told where it stands', async t => {
  const told = (sinks: string) => load(t, sinks).faults.join('\n')
  const http = '{ url: "https://x/" }'
  t.match(told('{ a: {} }'), /E319 metering\.sinks\.a: .*needs either "http" or "postgres"/)
  t.match(told(`{ a: { http: ${http}, postgres: { host: h, database: d, user: u } } }`), /^E319/)
  t.match(told(`{ "a b": { http: ${http} } }`), /E318 metering\.sinks.*named by up to 64 letters/)
  t.match(
    told('{ a: { http: { url: "http://lake.example.com/" } } }'),
    /must be an https URL \(http for this machine alone\)/
  )
  t.match(told('{ a: { http: { url: "https://u:p@x/" } } }'), /must be an https URL/)
  t.match(told('{ a: { http: { url: "https://x/", ca: none.pem } } }'), /E311 .*none\.pem does not exist/)
  t.match(told('{ a: { http: { url: "https://x/", token: "abc" } } }'), /W401 metering\.sinks\.a\.http\.token/)
  t.match(told('{ a: { http: { url: "https://x/", token: "${env:NONE}" } } }'), /E204/)
  t.match(told('{ a: { http: { uri: "https://x/" } } }'), /unknown key "uri"/)
  t.match(told('{ a: { postgres: { host: h, database: d, user: u, table: "x; drop" } } }'), /must be a name such as/)
  t.match(told('{ a: { postgres: { host: h, database: d, user: u, port: 70000 } } }'), /must be <= 65535/)
  t.match(told(`{ a: { http: ${http}, batch: { records: 0 } } }`), /must be >= 1/)
  t.match(told(`{ a: { http: ${http}, by: cron } }`), /allowed: gate, command/)
})
