import t from 'tap'
import { parseConfig } from '../../src/config/load.ts'

const REST = `
pools: { p: { engine: vllm, targets: ["http://127.0.0.1:8000"], models: [m] } }
teams: { red: { pool: p } }
`
const parse = (text: string) => parseConfig(`${text}${REST}`, { file: '/x/tollgate.yaml', env: {} })
const mint = (more = '', keys = '') =>
  `mint: { issuer: "https://gate.example.com", audience: a, keys: { dir: keys${keys} }${more} }`
const faults = (text: string) => parse(text).faults.map(({ code, path }) => `${code} ${path}`)

t.test('a mint alone is enough: its times have defaults, and its folder is beside the file', async t => {
  const loaded = parse(mint())
  t.ok(loaded.ok, JSON.stringify(loaded.faults))
  if (!loaded.ok) return
  t.strictSame(loaded.config.authenticate.issuers, [])
  t.match(loaded.config.mint, {
    ttlMs: 900_000,
    keys: {
      dir: '/x/keys',
      algorithm: 'ES256',
      times: { rotateMs: 30 * 86_400_000, waitMs: 900_000, keepMs: 3_900_000, settleMs: 4_000 }
    }
  })
  t.strictSame(loaded.faults, [])
})

t.test('somebody has to be believed', async t => {
  t.strictSame(faults(''), ['E202 '])
  t.strictSame(faults('issuers: []'), ['E205 issuers'])
  t.strictSame(faults(`issuers: []\n${mint()}`), [])
})

t.test('the issuer of the gate stands in one place', async t => {
  const other = (issuer: string) => `issuers: [{ issuer: "${issuer}", audience: a }]\n${mint()}`
  t.strictSame(faults(other('https://gate.example.com')), ['E350 issuers[0].issuer'])
  t.strictSame(faults(other('https://idp.example.com')), [])
  t.strictSame(faults(mint().replace('example.com', 'example.com/?a')), ['E351 mint.issuer'])
  t.strictSame(faults(mint().replace('https:', 'http:')), ['E205 mint.issuer'])
})

t.test('times by which tokens would be lost are faults, and those for trials alone are said', async t => {
  t.strictSame(faults(mint('', ', rotate: 10m, wait: 10m')), ['E352 mint.keys.rotate'])
  t.strictSame(faults(mint('', ', wait: 100ms')), ['E352 mint.keys.wait', 'W418 mint.keys.wait'])
  t.strictSame(faults(mint('', ', keep: 10m')), ['E353 mint.keys.keep'])
  t.strictSame(faults(mint('', ', rotate: 20m, keep: 30h')), ['E353 mint.keys.keep'])
  t.strictSame(faults(mint('', ', keep: 15m')), ['W418 mint.keys.keep'])
  t.strictSame(faults(mint(', ttl: 2s', ', rotate: 3s, wait: 1s, keep: 5s')), ['W418 mint.keys.wait'])
  t.strictSame(faults(mint('', ', rotate: soon')), ['E205 mint.keys.rotate'])
})
