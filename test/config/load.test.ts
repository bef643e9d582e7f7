import { writeFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { isMap, isSeq, parseDocument } from 'yaml'
import { type LoadResult, loadConfig, parseConfig } from '../../src/config/load.ts'

const NINE = `issuers:
  - issuer: https://idp.example.com
    audience: inference
pools:
  qwen:
    engine: vllm
    targets: [http://gpu1:8000, http://gpu2:8000]
teams:
  team-a: { pool: qwen }
`
const load = (text: string, env: NodeJS.ProcessEnv = {}, file = '/etc/tollgate/tollgate.yaml') =>
  parseConfig(text, { file, env })
/** `line:column code` of every fault. */
const places = (result: LoadResult) => result.faults.map(({ line, column, code }) => `${line}:${column} ${code}`)
const faultOf = (text: string, env?: NodeJS.ProcessEnv) => load(text, env).faults[0]

t.test('the nine-line file is a complete gate, and everything left out has its default', async t => {
  const result = load(NINE)
  t.equal(result.ok, true)
  if (!result.ok) return
  const { config } = result
  t.strictSame(result.faults, [])
  t.match(config.accept, {
    host: '0.0.0.0',
    port: 8080,
    tls: null,
    names: [],
    drainAcceptMs: 10_000,
    drainTimeoutMs: 600_000
  })
  t.match(config.admin, { host: '127.0.0.1', port: 9090 })
  t.match(config.authenticate.issuers[0], {
    name: 'idp.example.com',
    keys: { kind: 'discovery' },
    audiences: ['inference'],
    algorithms: ['RS256', 'PS256', 'ES256', 'EdDSA'],
    maxLifetimeMs: 3_600_000,
    clockSkewMs: 30_000,
    claims: { team: ['team_id'], scopes: [['scopes'], ['scope'], ['scp']] }
  })
  t.strictSame(
    config.forward.targets.map(target => target.origin),
    ['http://gpu1:8000', 'http://gpu2:8000']
  )
  t.match(config.forward.targets[0]?.timeouts, {
    connectMs: 5_000,
    firstByteMs: 600_000,
    idleMs: 120_000,
    totalMs: 3_600_000
  })
  t.ok(Object.isFrozen(config) && Object.isFrozen(config.authenticate.issuers[0]), 'V27')
})

t.test(
  'a team has the weight 1, the class default and half of the queue, unless the operator says otherwise',
  async t => {
    const plain = load(NINE)
    const said = load(
      NINE.replace('targets:', 'queue: { size: 7, per_team: 3 }\n    targets:').replace(
        '{ pool: qwen }',
        '{ pool: qwen, weight: 3, class: interactive }'
      )
    )
    t.equal(plain.ok && said.ok, true)
    if (!plain.ok || !said.ok) return
    t.match(plain.config.route.teams.get('team-a'), { weight: 1, class: 'default' })
    t.match(plain.config.route.pools.get('qwen')?.queue, { size: 512, perTeam: 256 })
    t.match(said.config.route.teams.get('team-a'), { weight: 3, class: 'interactive' })
    t.match(said.config.route.pools.get('qwen')?.queue, { size: 7, perTeam: 3 })
    for (const wrong of ['weight: 0', 'weight: 1.5', 'class: interactiv', 'class: 1', 'wieght: 2']) {
      t.equal(faultOf(NINE.replace('{ pool: qwen }', `{ pool: qwen, ${wrong} }`))?.line, 9, wrong)
    }
  }
)

t.test('usage is learned as the engine can tell it, or as the operator says', async t => {
  const modeOf = (engine: string, more = '') => {
    const result = load(NINE.replace('engine: vllm', `engine: ${engine}${more}`))
    return result.ok ? result.config.shape.pools.get('qwen')?.usage : result.faults
  }
  t.equal(modeOf('vllm'), 'exact')
  t.equal(modeOf('sglang'), 'exact')
  t.equal(modeOf('lmdeploy'), 'final')
  t.equal(modeOf('openai'), 'final')
  t.equal(modeOf('swift'), 'native')
  t.equal(modeOf('vllm', '\n    usage: off'), 'off')
  t.equal(load(NINE.replace('engine: vllm', 'engine: vllm\n    usage: always')).ok, false)
})

t.test('all faults show at once, each in its place, with what was meant or is allowed', async t => {
  const result = load(`issuers:
  - issuer: https://idp.example.com
    audience: []
    algorithms: [RS265, HS256]
pools:
  qwen:
    engine: vlm
    targets: [{url: "http://gpu1:8000/v1", ur: 2}]
    timeouts: { idle: 30 }
teams:
  red: { pool: qwen2 }
serverr: {}
`)
  t.strictSame(places(result), [
    '3:15 E205',
    '4:18 E205',
    '4:25 E205',
    '7:13 E205',
    '8:21 E205',
    '8:44 E201',
    '9:23 E205',
    '11:16 E310',
    '12:1 E201'
  ])
  t.strictSame(
    result.faults.map(fault => fault.hint),
    [
      undefined,
      'did you mean "RS256"?',
      'did you mean "RS256"?',
      'did you mean "vllm"?',
      undefined,
      'did you mean "url"?',
      'quote it',
      'did you mean "qwen"?',
      'did you mean "server"?'
    ]
  )
})

t.test(
  'a route is opened when it may be: not what is served already, nor what an engine must never be asked',
  async t => {
    const open = (method: string, path: string, more = '') =>
      faultOf(`${NINE}access: { routes: [{ method: ${method}, path: ${path}, scope: x${more} }] }\n`)
    t.equal(open('POST', '/v1/fine_tuning/jobs'), undefined)
    t.equal(open('POST', '/generative_scoring'), undefined)
    t.equal(open('GET', '/v1/realtime'), undefined)
    t.match(open('POST', '/v1/chat/completions'), { code: 'E306', message: /served already, as chat of vllm/ })
    t.match(open('GET', '/v1/models'), { code: 'E306' })
    t.match(open('GET', '/v1/models/x'), { code: 'E306' })
    t.match(open('POST', '/v1/load_lora_adapter'), { code: 'E312', message: /an administration route of vllm/ })
    t.match(open('GET', '/metrics'), { code: 'E312', message: /asked by the gate alone/ })

    t.match(open('POST', '/sleep', ', pool: qwen'), { code: 'E312' })
    t.match(
      faultOf(
        `${NINE.replace('pools:\n', `pools:\n  tuner: { engine: swift, targets: ["http://t:1"] }\n`)}access: { routes: [{ method: POST, path: /sleep, scope: x, pool: tuner }] }\n`
      ) ?? null,
      null
    )
  }
)

t.test('an unknown key, a missing one and one that stands twice are faults', async t => {
  t.match(faultOf(`${NINE}limits: {}\n`), { code: 'E201', line: 10, column: 1, message: 'unknown key "limits"' })
  t.match(faultOf(NINE.replace('    audience: inference\n', '')), {
    code: 'E202',
    line: 2,
    message: /issuers\[0\] needs the key "audience"/
  })
  t.match(faultOf(`${NINE}teams: {}\n`), { code: 'E101', line: 10, message: /twice/ })
  t.match(faultOf(`pools: {}\n`), { code: 'E202', line: 1 })
})

t.test(
  'YAML that would change what was meant is a fault: numbers as names, tags, tabs, two documents, aliases without end',
  async t => {
    t.match(faultOf(NINE.replace('team-a', '012')), { code: 'E105', line: 9, column: 3, hint: 'quote it' })
    t.match(faultOf(NINE.replace('team-a', '1e5')), { code: 'E105' })
    t.match(faultOf(NINE.replace('inference', '!!js/function x')), { code: 'E101', line: 3 })
    t.match(faultOf('issuers:\n\t- a\n'), { code: 'E101', line: 2 })
    t.match(faultOf(`${NINE}---\n${NINE}`), { code: 'E102' })
    t.match(faultOf(''), { code: 'E103', line: 1, column: 1 })
    t.match(faultOf('just words'), { code: 'E205' })
    const bomb = `a: &a [x,x,x,x,x,x,x,x]\n${[...'bcdefg'].map((name, i) => `${name}: &${name} [${Array(8).fill(`*${'abcdefg'[i]}`)}]`).join('\n')}`
    t.match(faultOf(bomb), { code: 'E104' })
  }
)

t.test('V30: what would make an unsafe gate is refused', async t => {
  const unsafe: [string, string, string][] = [
    ['no issuers', 'issuers:\n  - issuer: https://idp.example.com\n    audience: inference', 'issuers: []'],
    [
      'keys by http from afar',
      '    audience: inference',
      '    audience: inference\n    jwks_url: http://idp.example.com/jwks'
    ],
    [
      'keys from the metadata address',
      '    audience: inference',
      '    audience: inference\n    jwks_url: https://169.254.169.254/jwks'
    ],
    ['none', '    audience: inference', '    audience: inference\n    algorithms: [none]'],
    ['HS256 beside keys', '    audience: inference', '    audience: inference\n    algorithms: [RS256, HS256]'],
    ['an issuer twice', 'pools:', '  - { issuer: https://idp.example.com, audience: x }\npools:'],
    ['a short secret', '    audience: inference', '    audience: inference\n    hs256_secret: short'],
    ['a password in a URL', 'http://gpu1:8000', 'http://user:pw@gpu1:8000'],
    ['a link-local engine', 'http://gpu1:8000', 'http://169.254.1.1:8000'],
    [
      'two sources of keys',
      '    audience: inference',
      '    audience: inference\n    jwks_url: https://a\n    jwks_file: b'
    ],
    ['a proxy that is no network', 'pools:', 'clients: { trusted_proxies: [everyone] }\npools:'],
    ['a trick in a route', 'pools:', 'access: { routes: [{ method: POST, path: /v1/../x, scope: s }] }\npools:'],
    [
      'a shared route once more',
      'pools:',
      'access: { routes: [{ method: POST, path: /v1/embeddings, scope: s }] }\npools:'
    ]
  ]
  for (const [name, from, to] of unsafe) t.equal(load(NINE.replace(from, to)).ok, false, name)
})

t.test('what is used must be defined: pools, models of a team, aliases', async t => {
  t.match(faultOf(NINE.replace('{ pool: qwen }', '{ pools: [qwen, gwen] }')), {
    code: 'E310',
    path: 'teams.team-a.pools[1]',
    hint: 'did you mean "qwen"?'
  })
  t.match(faultOf(NINE.replace('{ pool: qwen }', '{}')), { code: 'E308' })
  const models = NINE.replace('    engine: vllm', '    engine: vllm\n    models: [m]')
  t.match(faultOf(models.replace('{ pool: qwen }', '{ pool: qwen, models: [n] }')), { code: 'E309', message: /"n"/ })
  t.match(faultOf(`${NINE}models: { a: { aliases: [b] }, b: {} }\n`), { code: 'E305' })
  t.match(faultOf(`${NINE}models: { a: { aliases: [x] }, b: { aliases: [x] } }\n`), { code: 'E305' })
})

t.test('secrets come from the environment or a file, stand only where a secret can, and are never shown', async t => {
  const dir = t.testdir({ key: 'from-file\n' })
  const withKey = (value: string) => NINE.replace('    engine: vllm', `    engine: vllm\n    api_key: ${value}`)
  const keyOf = (result: LoadResult) => (result.ok ? result.config.forward.targets[0]?.apiKey : null)
  t.equal(keyOf(load(withKey('${env:KEY}'), { KEY: 'from-env' })), 'from-env')
  t.equal(keyOf(load(withKey('${file:key}'), {}, `${dir}/tollgate.yaml`)), 'from-file')
  t.match(faultOf(withKey('${env:KEY}')), { code: 'E204', line: 7, message: /KEY is not set/ })
  t.match(faultOf(withKey('${file:none}')), { code: 'E204' })
  t.match(faultOf(withKey('x${env:KEY}')), { code: 'E203' })
  t.match(faultOf(NINE.replace('inference', '${env:AUDIENCE}')), { code: 'E203', line: 3 })
  const literal = load(withKey('literal-secret'))
  t.match(literal, { ok: true, faults: [{ severity: 'warning', code: 'W401' }] })
  t.notMatch(JSON.stringify(literal.faults), /literal-secret/)
  const bad = load(withKey('"literal secret"'))
  t.equal(bad.ok, false)
  t.notMatch(JSON.stringify(bad.faults), /literal secret/)
})

t.test('a file that cannot be read is a fault like any other', async t => {
  t.match(loadConfig('/nowhere/tollgate.yaml', {}), {
    ok: false,
    text: null,
    faults: [{ code: 'E100', message: /ENOENT/ }]
  })
  const dir = t.testdir()
  writeFileSync(`${dir}/t.yaml`, NINE)
  t.equal(loadConfig(`${dir}/t.yaml`, {}).ok, true)
})

t.test('whatever a file looks like, loading it ends with a configuration or with faults inside the file', async t => {
  const full = `${NINE}server: { listen: ":8080", names: [a], drain: { timeout: 1s } }\naccess: { roles: { r: [infer:text] }, routes: [] }\nmodels: { m: { aliases: [x] } }\nclients: { trusted_proxies: [10.0.0.0/8] }\naudit: { to: stdout }\n`
  const junk = fc.constantFrom<unknown>(
    null,
    1,
    true,
    '',
    'x',
    [],
    {},
    [null],
    { x: null },
    -1,
    Number.POSITIVE_INFINITY,
    '${env:X}',
    'https://x'
  )
  fc.assert(
    fc.property(fc.array(fc.nat(60), { minLength: 1, maxLength: 3 }), junk, (picks, value) => {
      const document = parseDocument(full)
      for (const pick of picks) {
        const paths: (string | number)[][] = []
        const walk = (node: unknown, path: (string | number)[]) => {
          if (path.length > 0) paths.push(path)
          if (isMap(node)) for (const { key, value } of node.items) walk(value, [...path, String(key)])
          if (isSeq(node)) for (const [index, item] of node.items.entries()) walk(item, [...path, index])
        }
        walk(document.contents, [])
        document.setIn(paths[pick % paths.length] ?? [], value)
      }
      const text = String(document)
      const lines = text.split('\n')
      for (const { line, column, endColumn } of load(text).faults) {
        if (
          line < 1 ||
          line > lines.length ||
          column < 1 ||
          column > (lines[line - 1]?.length ?? 0) + 1 ||
          endColumn <= column
        ) {
          throw new Error(`${line}:${column}-${endColumn}\n${text}`)
        }
      }
    }),
    { numRuns: 150 }
  )
  t.pass()
})

t.test('thresholds for each user have a name of their own and something that they are about', async t => {
  const result = load(`${NINE}metrics: { top_subjects: 50 }
alerts: { per_user: [{ name: busy, requests_per_minute: 600 }, { name: hungry, tokens_per_minute: 2M }] }
`)
  t.equal(result.ok, true)
  if (!result.ok) return
  t.strictSame(result.config.metrics, {
    topSubjects: 50,
    subjectKey: null,
    perUser: [
      { name: 'busy', requestsPerMinute: 600, tokensPerMinute: Number.POSITIVE_INFINITY },
      { name: 'hungry', requestsPerMinute: Number.POSITIVE_INFINITY, tokensPerMinute: 2_000_000 }
    ]
  })
  const faulty = load(
    `${NINE}metrics: { top_subjects: 201, subject_key: "\${env:KEY}" }
alerts:
  per_user:
    - { name: busy }
    - { name: busy, requests_per_minute: 0 }
    - { name: "Too busy", tokens_per_minute: many }
`,
    { KEY: 'short' }
  )
  t.strictSame(faulty.faults.map(({ path, code }) => `${path} ${code}`).sort(), [
    'alerts.per_user[0] E315',
    'alerts.per_user[1].name E316',
    'alerts.per_user[1].requests_per_minute E205',
    'alerts.per_user[2].name E205',
    'alerts.per_user[2].tokens_per_minute E205',
    'metrics.subject_key E205',
    'metrics.top_subjects E205'
  ])
  t.notMatch(JSON.stringify(faulty.faults), /short/, 'the key is a secret')
})
