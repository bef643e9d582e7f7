import { writeFileSync } from 'node:fs'
import t from 'tap'
import { runCheck } from '../../src/config/check.ts'
import { parseDocument } from '../../src/config/document.ts'
import { parseConfig } from '../../src/config/load.ts'
import { createReloader } from '../../src/config/reload.ts'
import { reportFile } from '../../src/config/report.ts'
import { Written } from '../helpers/written.ts'

const GOOD = `issuers: [{ issuer: https://idp.example.com, audience: a }]
pools: { p: { engine: vllm, targets: [http://gpu1:8000] } }
teams: { t: { pool: p } }
`
const SECRET = 's3cr3tS3CR3T'

/** Ways to write a secret so that something of the file is wrong. */
const MISTAKES: readonly string[] = [
  // A name that nobody knows, a value of the wrong kind, in every form of a list or a map.
  `admin: { tokne: ${SECRET} }`,
  `admin:\n  tokne: ${SECRET}   # was ${SECRET}`,
  `admin: { token: [${SECRET}] }`,
  `admin:\n  token:\n    - ${SECRET}`,
  `admin: { token: { ${SECRET} } }`,
  `admin: { token: { value: ${SECRET} } }`,
  `admin: { token: {{ ${SECRET} }} }`,
  `admin: { listen: 127.0.0.1:9090, token:${SECRET} }`,
  `admin:\n  token:${SECRET}\n  listen: 127.0.0.1:9090`,
  `admin:\n  token:${SECRET}`,
  `admin: ${SECRET}`,
  `admin: { token: x, ? ${SECRET} }`,
  `tollgate_token: ${SECRET}`,
  `store: { url: ${SECRET} }`,
  `store: { url: "https://user:${SECRET}@store:6379" }`,
  `store: { url: redis://store:6379, pass: ${SECRET} }`,
  `metrics: { subject_key: ${SECRET}, subject_keys: 1 }`,
  // What is no YAML, or another than was meant.
  `admin:\n\ttoken: ${SECRET}`,
  `admin:\n  token: ${SECRET}\n  token: ${SECRET}`,
  `admin:\n  token: ${SECRET}\n token: ${SECRET}`,
  `admin:\n    token: ${SECRET}\n  listen: 127.0.0.1:9090`,
  `admin:\n  token: ${SECRET}: x`,
  `admin:\n  token: ${SECRET}\n  ${SECRET}\n`,
  `admin:\n  token: x\n  ${SECRET}\n  listen: 127.0.0.1:9090`,
  ...['*', '&', '!', '!!', '!<', '@', '`', '%', '|', '>', '{', '[', '"', "'", '? ', '- ', '#', ',', ']', '}'].flatMap(
    mark => [
      `admin:\n  token: ${mark}${SECRET}`,
      `admin: { token: ${mark}${SECRET} }`,
      `admin:\n  token: &a ${mark}${SECRET}`
    ]
  ),
  `admin:\n  token: "\\q${SECRET}"`,
  `admin:\n  token: "${SECRET}`,
  `admin:\n  token: '${SECRET}'${SECRET}`,
  `admin:\n  token: "${SECRET}" ${SECRET}`,
  `%${SECRET}\n---\nadmin: {}`,
  `---\nadmin: {}\n---\nadmin: { token: ${SECRET} }`,
  `${SECRET}`,
  `? [${SECRET}]\n: 1`,
  `? { a: ${SECRET} }\n: 1`,
  `admin: { <<: *${SECRET} }`,
  // References that lead nowhere.
  `admin: { token: "\${env:${SECRET}}" }`,
  `admin: { token: "\${env:TOKEN:-${SECRET}}" }`,
  `admin: { token: "\${file:${SECRET}}" }`,
  `admin: { token: "\${file:/nowhere/x:-${SECRET}}" }`,
  `admin: { token: "x\${env:${SECRET}}" }`,
  `admin: { listen: "\${env:${SECRET}}" }`,
  `admin: { token: "\${vault:${SECRET}}" }`,
  // Where a URL, a file or a word is wanted.
  `server: { tls: { cert: a, key: "-----BEGIN PRIVATE KEY-----\\n${SECRET}\\n" } }`,
  `server: { tls: { cert: a, key: ${SECRET} } }`,
  `server: { tls:\n  { cert: a, key: "${SECRET}" } }`,
  `revocation: { file: '{"${SECRET}": 1}' }`,
  `clients: { bans: { mode: { token: ${SECRET} } } }`,
  `clients: { bans: { mode: [${SECRET}] } }`,
  `clients: { bans: { mode: "https://u:${SECRET}@x/?k=${SECRET}" } }`,
  `clients: { trusted_proxies: ["https://u:${SECRET}@x"] }`,
  `metering: { dir: ledger, sinks: { s: { http: { url: "https://u:${SECRET}@x", token: ${SECRET} } } } }`,
  `metering: { dir: ledger, sinks: { s: { http: { url: "ftp://x/?key=${SECRET}" } } } }`,
  `metering: { dir: ledger, sinks: { s: { postgres: { host: h, database: d, user: u, passwort: ${SECRET} } } } }`,
  `server: { cors: { origins: ["https://u:${SECRET}@x/?k=${SECRET}"] } }`
]
const POOLS = [
  `pools: { p: { engine: vllm, targets: ["http://u:${SECRET}@gpu1:8000"] } }`,
  `pools: { p: { engine: vllm, targets: ["http://gpu1:8000/?key=${SECRET}"] } }`,
  `pools: { p: { engine: vllm, api_key: ${SECRET}, apikey: ${SECRET}, targets: [http://gpu1:8000] } }`,
  `pools: { p: { engine: vllm, api_key: [${SECRET}], targets: [http://gpu1:8000] } }`,
  `pools: { p: { engine: { api_key: ${SECRET} }, targets: [http://gpu1:8000] } }`
].map(pools => GOOD.replace(/pools: .*\n/, `${pools}\n`))
const ISSUERS = [
  `issuers: [{ issuer: https://i.example.com, audience: a, jwks_url: "https://u:${SECRET}@i.example.com/keys" }]`,
  `issuers: [{ issuer: https://i.example.com, audience: a, jwks_url: "http://i.example.com/keys?k=${SECRET}" }]`,
  `issuers: [{ issuer: https://i.example.com, audience: a, hs256_secert: ${SECRET} }]`,
  `issuers: [{ issuer: https://i.example.com, audience: a, hs256_secret: ${SECRET} }]`
].map(issuers => GOOD.replace(/issuers: .*\n/, `${issuers}\n`))

t.test(
  'whatever is wrong with a file, no line and no secret of it comes into a log, a report or an answer',
  async t => {
    const dir = t.testdir()
    const texts = [
      ...MISTAKES.map((wrong, i) => (i % 2 === 0 ? `${GOOD}${wrong}\n` : `${wrong}\n${GOOD}`)),
      ...POOLS,
      ...ISSUERS
    ]
    for (const text of texts) {
      const result = parseConfig(text, { file: 'f', env: {} })
      const file = `${dir}/t.yaml`
      writeFileSync(file, text)
      const logged: object[] = []
      const log = { info: (facts: object) => logged.push(facts), error: (facts: object) => logged.push(facts) }
      const good = parseConfig(GOOD, { file, env: {} })
      if (!good.ok) throw new Error('the good one is not')
      const reloader = createReloader({ file, env: {}, first: good, follow: () => {}, nowMs: Date.now, log })
      const reloaded = reloader.reload('asked for')
      const [stdout, stderr] = [new Written(), new Written()]
      runCheck({ file, format: 'text', env: {}, stdout, stderr, color: true })
      const said = {
        report: reportFile('f', result),
        faults: JSON.stringify(result.faults),
        log: JSON.stringify(logged),
        status: JSON.stringify([reloader.status, reloaded, reloader.running()]),
        check: stdout.text + stderr.text
      }
      for (const [where, words] of Object.entries(said)) {
        // A secret in quotes is one in another case, too.
        if (words.toLowerCase().includes(SECRET.toLowerCase())) t.fail(`${where}: ${words}`, { text })
      }
      if (!result.ok) t.match(said.report, /^f:\d+:\d+ (?:error|.*) [EW]\d{3} /m, text)
    }
  }
)

t.test('every fault of the text has words of ours, and a place', async t => {
  const faultsOf = (text: string) =>
    parseDocument(text, 'f').faults.map(({ line, code, message }) => ({ line, code, message }))
  t.match(faultsOf('a:\n\tb: 1\n'), [{ line: 2, code: 'E101', message: /a tab indents this line/ }])
  t.match(faultsOf('a: 1\nb: !x 1\n'), [{ line: 2, code: 'E101', message: /a tag to YAML/ }])
  t.match(faultsOf('a: 1\nb: *x\n'), [{ line: 2, code: 'E104', message: /alias/ }])
  t.match(faultsOf('a: 1\nb: @x\n'), [{ line: 2, code: 'E101', message: /reserves/ }])
  t.strictSame(faultsOf('a: &x 1\nb: *x\n'), [])
})
