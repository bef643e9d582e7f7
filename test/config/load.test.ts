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

t.test('two budgets of one thing in one period are told apart by nobody, and are refused', async t => {
  const two = 'budget: [{ tokens: 1M, per: day }, { tokens: 2M, per: day, tz: Asia/Shanghai }]'
  const message = 'tokens per day stand twice'
  for (const [text, path] of [
    [`${NINE.replace('qwen }', `qwen, ${two} }`)}`, 'teams.team-a.budget[1]'],
    [`${NINE.replace('qwen }', `qwen, per_user: { ${two} } }`)}`, 'teams.team-a.per_user.budget[1]'],
    [`${NINE.replace('qwen }', `qwen, per_model: { m: { ${two} } } }`)}`, 'teams.team-a.per_model.m.budget[1]'],
    [`${NINE}limits: { global: { ${two} } }\n`, 'limits.global.budget[1]'],
    [`${NINE}models: { m: { limits: { ${two} } } }\n`, 'models.m.limits.budget[1]']
  ] as const) {
    t.match(faultOf(text), { code: 'E317', path, message }, path)
  }
  const several = 'budget: [{ tokens: 1M, requests: 9, per: day }, { tokens: 2M, requests: 9, per: month }]'
  t.strictSame(load(NINE.replace('qwen }', `qwen, ${several} }`)).faults, [])
})

t.test('limits of a team for a model that it cannot have are refused, with what was meant', async t => {
  const listed = NINE.replace('vllm', 'vllm\n    models: [qwen3-32b]')
  const of = (model: string) => listed.replace('{ pool: qwen }', `{ pool: qwen, per_model: { ${model}: { rpm: 1 } } }`)
  t.strictSame(load(of('qwen3-32b')).faults, [])
  t.match(faultOf(of('qwen3-23b')), { code: 'E309', path: 'teams.team-a.per_model.qwen3-23b', message: /"qwen3-23b"/ })
  t.match(faultOf(`${of('qwen')}models: { qwen3-32b: { aliases: [qwen] } }\n`), {
    code: 'E309',
    message: /alias of qwen3-32b/
  })
  t.strictSame(
    load(NINE.replace('{ pool: qwen }', '{ pool: qwen, per_model: { x: { rpm: 1 } } }')).faults,
    [],
    'what engines serve is not known before they are asked'
  )
})

t.test('limits stand with teams, models and for all; what is left out is not limited', async t => {
  const plain = load(NINE)
  t.match(plain.ok && plain.config.limit, {
    subject: null,
    ip: null,
    global: null,
    reserveOutput: 'p90',
    weights: { input: 1, cached: 1, output: 1 },
    onStoreFailure: 'local',
    maxTokens: 32_000
  })
  const text = `${NINE.replace(
    '{ pool: qwen }',
    `
    pool: qwen
    limits: { rpm: 6000, tpm: 2M, concurrent: 200 }
    budget: [{ tokens: 5G, per: month, tz: Asia/Shanghai }, { requests: 10K, per: day, shadow: true }]
    per_user: { rpm: 120, shadow: true }
    per_model: { m: { tpm: 1M } }
    suspended: true`
  )}models: { m: { limits: { concurrent: 9 } } }
limits: { default: { rpm: 60 }, per_ip: { rpm: 300 }, reserve_output: none, weights: { cached: 0.1 } }
requests: { caps: { max_tokens: 4K } }
`
  const result = load(text)
  t.equal(result.ok, true, JSON.stringify(result.faults))
  if (!result.ok) return
  const { limit } = result.config
  t.match(limit, {
    subject: { rpm: 60, tpm: null, concurrent: null, budgets: [] },
    ip: { rpm: 300 },
    reserveOutput: 'none',
    weights: { input: 1, cached: 0.1, output: 1 },
    maxTokens: 4_000
  })
  t.match(limit.teams.get('team-a'), {
    isSuspended: true,
    subject: { rpm: 120, isShadow: true },
    team: {
      rpm: 6_000,
      tpm: 2_000_000,
      concurrent: 200,
      isShadow: false,
      budgets: [
        { tokens: 5_000_000_000, requests: null, per: 'month', tz: 'Asia/Shanghai', isShadow: false },
        { tokens: null, requests: 10_000, per: 'day', tz: 'UTC', isShadow: true }
      ]
    }
  })
  t.equal(limit.teams.get('team-a')?.models.get('m')?.tpm, 1_000_000)
  t.equal(limit.models.get('m')?.concurrent, 9)
})

t.test('the store that gates share is a URL of Redis or Valkey, and a secret', async t => {
  const storeOf = (url: string) => load(`${NINE}store: { url: "${url}" }\n`, { STORE: 'rediss://:pw@s:6379/1' })
  for (const [url, read] of [
    ['valkey://s', { servers: [{ host: 's', port: 6379 }], login: null, tls: null }],
    ['valkeys://s:6380', { servers: [{ host: 's', port: 6380 }], tls: { ca: null, serverName: null } }],
    [
      'redis://u:p%40@[::1]:1/2',
      { servers: [{ host: '::1', port: 1 }], login: { username: 'u', password: 'p@' }, database: 2 }
    ],
    ['${env:STORE}', { login: { username: null, password: 'pw' }, database: 1, tls: {} }]
  ] as const) {
    const result = storeOf(url)
    t.match(result.ok && result.config.store, read, JSON.stringify(result.faults))
  }
  const wrong = storeOf('http://:secret@s:6379').faults[0]
  t.match(wrong?.message, /store\.url must be a URL such as redis:/)
  t.notMatch(wrong?.message, 'secret')
})

t.test('a limit that cannot be is a fault in its place', async t => {
  const message = (line: string, text = NINE) => faultOf(`${text}limits: ${line}\n`)?.message
  const budget = (yaml: string) => message('{}', NINE.replace('pool: qwen }', `pool: qwen, budget: ${yaml} }`))
  t.equal(message('{ default: { rpm: 0K } }'), 'limits.default.rpm must be a number such as 64, 32K or 2M')
  t.equal(message('{ default: { concurrent: 0 } }'), 'limits.default.concurrent must be a number such as 64, 32K or 2M')
  t.equal(message('{ per_ip: { rpn: 1 } }'), 'unknown key "rpn" in limits.per_ip')
  t.equal(message('{ weights: { input: -1 } }'), 'limits.weights.input must be a number from 0 to 1000')
  t.equal(budget('{ tokens: 1, per: week }'), 'teams.team-a.budget.per is "week"; allowed: day, month')
  t.match(budget('[{ tokens: 1, per: day, tz: Mars/Base }]'), 'budget[0].tz must be a time zone')
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
    t.match(open('GET', '/v1/me/usage'), { code: 'E306' })
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
  t.match(faultOf(`${NINE}bans: {}\n`), { code: 'E201', line: 10, column: 1, message: 'unknown key "bans"' })
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

t.test('origins that no browser writes like that are faults, and every page at once is unwise', async t => {
  const withOrigins = (origins: string) => load(`server: { cors: { origins: ${origins} } }\n${NINE}`)
  for (const origin of ['https://app.example.com:443', 'http://app.example.com:80']) {
    t.match(withOrigins(`["${origin}"]`).faults, [{ code: 'E330', hint: /browsers write it http/ }], origin)
  }
  for (const origin of ['https://app.example.com/', 'app.example.com', 'null', 'https://*.example.com']) {
    t.match(withOrigins(`["${origin}"]`).faults, [{ code: 'E205', message: /an origin such as/ }], origin)
  }
  t.match(withOrigins('["*", "https://a.example"]').faults, [{ code: 'E331' }])
  const any = withOrigins('["*"]')
  t.equal(any.ok, true)
  t.match(any.faults, [{ code: 'W414', severity: 'warning' }])
  t.strictSame(withOrigins('["https://a.example:8443", "http://[::1]:3000", "capacitor://localhost"]').faults, [])
})

t.test('rules of suspicious behaviour are a word, or thresholds; what is left out is the default', async t => {
  const result = load(
    `suspicious: { token_sharing: throttle, oversize: { after: 3, within: 1h }, rate_anomaly: { times: 4, tokens: 2M } }\n${NINE}`
  )
  t.strictSame(result.faults, [])
  if (!result.ok) return
  t.match(result.config.suspect.kinds, {
    token_sharing: { action: 'throttle', after: 5, networks: 3, withinMs: 600_000, forMs: 300_000 },
    oversize: { action: 'log', after: 3, withinMs: 3_600_000 },
    rate_anomaly: { action: 'log', ratio: 4, tokens: 2_000_000 },
    forged_token: { action: 'log', after: 2 }
  })
  t.match(load(`suspicious: { oversize: { action: kick } }\n${NINE}`).faults, [{ code: 'E205' }])
  t.match(load(`suspicious: { oversise: log }\n${NINE}`).faults, [{ code: 'E201', hint: 'did you mean "oversize"?' }])
})

t.test('a ban for what a subject did is one of everybody behind an address, and unwise', async t => {
  t.match(load(`suspicious: { oversize: ban, abort_abuse: { action: ban } }\n${NINE}`).faults, [
    { code: 'W415', path: 'suspicious.oversize' },
    { code: 'W415', path: 'suspicious.abort_abuse' }
  ])
  t.strictSame(load(`suspicious: { forged_token: ban }\n${NINE}`).faults, [])
})

t.test('bans are on, softly, unless the file says otherwise; their times have to fit together', async t => {
  const result = load(NINE)
  t.match(result.ok && result.config.identify.bans, {
    mode: 'soft',
    after: 20,
    withinMs: 600_000,
    forMs: 600_000,
    maxMs: 86_400_000,
    never: []
  })
  const codeOf = (bans: string) => faultOf(`${NINE}clients: { bans: { ${bans} } }\n`)?.code
  t.equal(codeOf('for: 2h, max: 1h'), 'E320')
  t.equal(codeOf('for: 48h'), 'E320')
  t.equal(codeOf('max: 1m'), 'E320')
  t.equal(codeOf('for: 0s'), 'E321')
  t.equal(codeOf('within: 0m'), 'E321')
  t.equal(codeOf('mode: harsh'), 'E205')
  t.equal(codeOf('never: [somewhere]'), 'E205')
  t.equal(codeOf('for: 1h, max: 1h, mode: off'), undefined)
})

t.test('one address may not hold more connections than all together', async t => {
  const faultAt = (one: number, all: number) =>
    faultOf(`${NINE}clients: { max_connections: ${one} }\nserver: { max_connections: ${all} }\n`)
  t.match(faultAt(11, 10), { code: 'E326', path: 'clients.max_connections', message: /11.* 10 \(server\.max_conn/ })
  t.equal(faultAt(10, 10), undefined)
  t.equal(faultOf(`${NINE}server: { max_connections: 0 }`)?.code, 'E205')
})

t.test('revocation: its file is there, and what is revoked by hand is kept somewhere', async t => {
  t.match(faultOf(`${NINE}revocation: { file: nowhere.yaml, keep: kept.json }`), {
    code: 'E340',
    path: 'revocation.file',
    message: 'the file nowhere.yaml does not exist'
  })
  const codes = (text: string) => load(text).faults.map(({ code, severity }) => `${code} ${severity}`)
  t.strictSame(codes(`${NINE}revocation: { cut_streams: true }`), ['W416 warning'])
  t.strictSame(codes(`${NINE}revocation: { keep: kept.json }`), [])
  t.notOk(
    codes(`${NINE}revocation: { cut_streams: true }\nstore: { url: "redis://127.0.0.1" }`).includes('W416 warning')
  )
  const result = load(`${NINE}revocation: { keep: kept.json }`)
  t.match(result.ok && result.config.revocation.keep, /^\/.*kept\.json$/, 'relative to the folder of the file')
})
