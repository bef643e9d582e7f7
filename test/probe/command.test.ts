import { execFileSync, spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { runProbe } from '../../src/probe/command.ts'
import { freePort } from '../helpers/ports.ts'
import { Written } from '../helpers/written.ts'
import { type DoubleInit, listen, startDouble } from './double.ts'

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))
const RECORDED = new URL('../engines/recorded/vllm-0.32.0.json', import.meta.url)
const KEY = 'the-key-of-the-engines'

const { documented, undocumented } = JSON.parse(readFileSync(RECORDED, 'utf8')) as {
  documented: string[]
  undocumented: string[]
}

/** vLLM as it was recorded, with its key as it guards. */
const VLLM: DoubleInit = {
  routes: [...documented, ...undocumented],
  documented,
  mounts: ['/metrics'],
  errors: 'nested',
  owner: 'vllm',
  key: { value: KEY, guards: ['/v1', '/v2', '/inference', '/cohere'] }
}

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** Runs the command as operators do: a process of its own. */
async function probe(t: Test, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const child = spawn(process.execPath, [CLI, 'probe', ...args], {
    // Without what the test runner would have every process load.
    env: { ...process.env, NODE_OPTIONS: '', ENGINE_KEY: KEY, ...env },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  t.teardown(() => child.kill('SIGKILL'))
  let [out, err] = ['', '']
  child.stdout.on('data', piece => {
    out += piece
  })
  child.stderr.on('data', piece => {
    err += piece
  })
  const code = await new Promise<number | null>(resolve => child.once('close', resolve))
  for (const text of [out, err]) t.notMatch(text, KEY, 'the key is shown nowhere')
  return { code, out, err }
}

function configure(t: Test, pools: Record<string, object>, more = '', dir = t.testdir()): string {
  const file = `${dir}/tollgate.yaml`
  writeFileSync(
    file,
    `issuers: [{ issuer: "https://idp.example.com", audience: inference }]
pools: ${JSON.stringify(pools)}
teams: { team-a: { pool: ${Object.keys(pools)[0]} } }
${more}`
  )
  return file
}

const pool = (targets: readonly unknown[], more: object = {}) => ({
  engine: 'vllm',
  targets,
  api_key: '${env:ENGINE_KEY}',
  ...more
})

/** The same without a process of its own, read as a program reads it. */
async function findingsOf(t: Test, file: string, ...args: string[]) {
  const [stdout, stderr] = [new Written(), new Written()]
  const argv = ['--config', file, '--format', 'json', ...args]
  const code = await runProbe(argv, { stdout, stderr, env: { ENGINE_KEY: KEY } })
  t.notMatch(stdout.text + stderr.text, KEY, 'the key is shown nowhere')
  const report = JSON.parse(stdout.text)
  return { code, report, codes: report.findings.map((finding: { code: string }) => finding.code) as string[] }
}

t.test(
  'of a vLLM with its key, every dangerous route that the key leaves open is named, and no code of a route runs',
  async t => {
    const engine = await startDouble(t, VLLM)
    const { code, out, err } = await probe(t, ['-c', configure(t, { qwen: pool([engine.origin]) })])
    t.equal(code, 0)
    t.equal(err, '')
    t.match(out, `pool qwen (vllm)\n  ${engine.origin} serves tiny\n`)
    t.match(out, /warning P210 .*a second door to every call.*: POST \/invocations; /)
    t.match(out, /warning P210 .*an administration route: POST \/scale_elastic_ep, POST \/is_scaling_elastic_ep; /)
    t.match(out, /warning P211 .*POST \/tokenize/)
    t.match(out, /info {4}P212 .*GET \/metrics/)
    t.match(out, /info {4}P112 version 0\.32\.0/)
    t.notMatch(out, 'load_lora_adapter', 'what it does not have is not named')
    t.notMatch(out, '/inference/v1/abort_requests', 'nor what its key guards')
    t.match(out, /\n1 target of 1 pool asked: 0 errors, \d+ warnings, \d+ infos\n$/)
    t.strictSame(engine.ran, [])
    t.ok(engine.seen.some(({ method, path }) => method === 'PROPFIND' && path === '/scale_elastic_ep'))
    t.strictSame(
      [
        ...new Set(
          engine.seen.filter(({ method }) => method !== 'PROPFIND').map(({ method, path }) => `${method} ${path}`)
        )
      ].sort(),
      ['GET /openapi.json', 'GET /v1/models', 'GET /version']
    )
    t.notOk(
      engine.seen.some(({ method, path, key }) => method === 'PROPFIND' && key !== null && path !== '/v1/models'),
      'what is asked of dangerous routes is asked as a stranger'
    )
  }
)

t.test('a route that the table does not know is named; one of the table, written in its own way, is not', async t => {
  const engine = await startDouble(t, { ...VLLM, documented: [...documented, 'POST /v1/unheard_of', 'PATCH /pause'] })
  const { report } = await findingsOf(t, configure(t, { qwen: pool([engine.origin]) }))
  const unknown = report.findings.filter((finding: { code: string }) => finding.code === 'P220')
  t.strictSame(
    unknown.map(({ routes }: { routes: string[] }) => routes),
    [['POST /v1/unheard_of'], ['PATCH /pause']]
  )
  t.match(unknown[0], { severity: 'warning', pool: 'qwen', target: engine.origin, message: /denies it/ })
  t.strictSame(engine.ran, [])
})

t.test('an engine without a key is a warning, counted as an error with --strict alone', async t => {
  const { key, ...open } = VLLM
  t.ok(key)
  const engine = await startDouble(t, open)
  const file = configure(t, { qwen: { engine: 'vllm', targets: [engine.origin] } })
  const { code, codes } = await findingsOf(t, file)
  t.equal(code, 0)
  t.ok(codes.includes('P201'))
  t.equal((await findingsOf(t, file, '--strict')).code, 1)
  const though = await findingsOf(t, configure(t, { qwen: pool([engine.origin]) }))
  t.match(though.report.findings[0].message, /though the pool has one/)
  t.strictSame(engine.ran, [])
})

t.test('a wrong key, and a key that is missing, are errors with their own words', async t => {
  const engine = await startDouble(t, { ...VLLM, key: { value: 'another', guards: ['/v1'] } })
  const wrong = await findingsOf(t, configure(t, { qwen: pool([engine.origin]) }))
  t.equal(wrong.code, 1)
  t.match(wrong.report.findings[0], { code: 'P104', severity: 'error', hint: /pools\.qwen\.api_key/ })
  const none = await findingsOf(t, configure(t, { qwen: { engine: 'vllm', targets: [engine.origin] } }))
  t.equal(none.code, 1)
  t.equal(none.codes[0], 'P105')
  t.notOk(
    engine.seen.some(({ method }) => method === 'PROPFIND'),
    'nothing more is asked of it'
  )
})

t.test(
  'every SGLang route is closed by its key; with the key gone its administration is named, by GET and by POST',
  async t => {
    const routes = [
      'GET /flush_cache',
      'POST /flush_cache',
      'POST /abort_request',
      'GET /get_model_info',
      'GET /server_info'
    ]
    const served = ['POST /v1/chat/completions', 'POST /generate']
    const sglang: DoubleInit = { routes: [...routes, ...served], owner: 'sglang', errors: 'flat', mounts: ['/metrics'] }
    const guarded = await startDouble(t, {
      ...sglang,
      key: { value: KEY, guards: ['/'], open: ['/health', '/metrics'] }
    })
    const first = await findingsOf(t, configure(t, { s: pool([guarded.origin], { engine: 'sglang' }) }))
    t.equal(first.code, 0)
    t.strictSame(first.codes, ['P212', 'P215'])
    const open = await startDouble(t, sglang)
    const { report } = await findingsOf(t, configure(t, { s: pool([open.origin], { engine: 'sglang' }) }))
    const dangerous = report.findings.filter((finding: { code: string }) => finding.code === 'P210')
    t.match(dangerous[0].message, '--admin-api-key')
    t.strictSame(dangerous.flatMap(({ routes: named }: { routes: string[] }) => named).sort(), [
      'GET /flush_cache',
      'GET /server_info',
      'POST /abort_request',
      'POST /flush_cache'
    ])
    t.strictSame([...guarded.ran, ...open.ran], [])
  }
)

t.test('LMDeploy, whose GET /terminate ends it, lives on', async t => {
  const routes = ['GET /terminate', 'POST /sleep', 'GET /distserve/engine_info', 'POST /v1/encode', 'GET /health']
  const engine = await startDouble(t, { routes, owner: 'lmdeploy' })
  const { out } = await probe(t, ['-c', configure(t, { l: { engine: 'lmdeploy', targets: [engine.origin] } })])
  t.match(out, /P210 .*GET \/terminate/)
  t.strictSame(engine.ran, [])
  t.equal((await fetch(`${engine.origin}/v1/models`)).status, 200)
})

t.test(
  "ms-swift's routes look at the key themselves: what its router shows is told apart from what is known",
  async t => {
    const engine = await startDouble(t, {
      routes: ['POST /infer/', 'GET /health', 'POST /v1/chat/completions'],
      owner: 'swift'
    })
    const { report, codes } = await findingsOf(t, configure(t, { w: pool([engine.origin], { engine: 'swift' }) }))
    t.strictSame(codes, ['P210', 'P202', 'P212'])
    t.strictSame(report.findings[0].routes, ['POST /infer/'])
    t.strictSame(engine.ran, [])
  }
)

t.test('an engine of another kind is named, and none of its other paths is asked', async t => {
  const engine = await startDouble(t, {
    routes: ['GET /v1/loads', 'GET /get_model_info', 'POST /flush_cache', 'GET /flush_cache'],
    owner: 'sglang'
  })
  const { report, codes } = await findingsOf(t, configure(t, { qwen: { engine: 'vllm', targets: [engine.origin] } }))
  t.ok(codes.includes('P110'))
  t.match(report.findings.find(({ code }: { code: string }) => code === 'P110').message, 'looks like sglang, not vllm')
  t.notOk(codes.includes('P220'))
  t.ok(codes.includes('P216'))
  t.notOk(engine.seen.some(({ method }) => method === 'PROPFIND'))
})

t.test('a program whose routes take every method is found out on a harmless one, and asked no further', async t => {
  const ran: string[] = []
  const origin = await listen(t, (request, response) => {
    const path = request.url ?? ''
    if (path !== '/v1/models') ran.push(`${request.method} ${path}`)
    response.end(path === '/v1/models' ? '{"data":[{"id":"tiny","owned_by":"vllm"}]}' : '{}')
  })
  const { codes, report } = await findingsOf(t, configure(t, { qwen: { engine: 'vllm', targets: [origin] } }))
  t.strictSame(ran.sort(), ['GET /openapi.json', 'GET /version'])
  t.ok(codes.includes('P216'))
  t.match(report.findings.find(({ code }: { code: string }) => code === 'P216').message, /does not refuse PROPFIND/)
})

t.test('one route that takes every method ends the questions', async t => {
  const engine = await startDouble(t, { ...VLLM, mounts: ['/metrics', '/invocations'] })
  const { report } = await findingsOf(t, configure(t, { qwen: pool([engine.origin]) }))
  const found = report.findings.find(({ code }: { code: string }) => code === 'P214')
  t.match(found.message, 'PROPFIND /invocations is answered with 200')
  t.equal(engine.seen.at(-1)?.path, '/invocations')
})

t.test(
  'models that differ: configured and not served, served and not configured, and between the targets of a pool',
  async t => {
    const [a, b] = [
      await startDouble(t, { ...VLLM, models: ['qwen', 'lora-x'] }),
      await startDouble(t, { ...VLLM, models: ['qwen'] })
    ]
    const more = 'models: { llama: { aliases: [l] } }\n'
    const file = configure(t, { p: pool([a.origin, b.origin], { models: ['qwen', 'mistral'] }) }, more)
    const { code, report } = await findingsOf(t, file)
    t.equal(code, 1)
    const about = report.findings
      .filter(({ models }: { models?: string[] }) => models !== undefined)
      .map(({ code, target, models }: { code: string; target: string | null; models: string[] }) => [
        code,
        target,
        ...models
      ])
    t.strictSame(about, [
      ['P301', a.origin, 'mistral'],
      ['P301', b.origin, 'mistral'],
      ['P303', null, 'lora-x'],
      ['P305', null, 'llama'],
      ['P302', a.origin, 'lora-x']
    ])
    const { out } = await probe(t, ['-c', file])
    t.match(out, /error {3}P301 configured, but not served: mistral; /)
    t.match(out, /\nthe configuration\n {4}warning P305 .*: llama\n/)
  }
)

t.test('a private authority is verified, and a certificate that nobody vouches for gets no key', async t => {
  const dir = t.testdir()
  const self = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=127.0.0.1'.split(
    ' '
  )
  const files = ['-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', `${dir}/key.pem`, '-out', `${dir}/cert.pem`]
  execFileSync('openssl', [...self, ...files], { stdio: 'ignore' })
  const tls = { cert: readFileSync(`${dir}/cert.pem`, 'utf8'), key: readFileSync(`${dir}/key.pem`, 'utf8') }
  const engine = await startDouble(t, { ...VLLM, tls })
  const trusted = configure(t, { qwen: pool([{ url: engine.origin, ca: `${dir}/cert.pem` }]) }, '', dir)
  t.equal((await findingsOf(t, trusted)).code, 0)
  const asked = engine.seen.length
  t.ok(asked > 10)

  const untrusted = configure(t, { qwen: pool([engine.origin]) }, '', dir)
  // What switches off verification elsewhere does not do so here.
  const env = { NODE_TLS_REJECT_UNAUTHORIZED: '0' }
  const { code, out } = await probe(t, ['-c', untrusted], env)
  t.equal(code, 1)
  t.match(out, /error {3}P103 no trusted connection \(\w+\); nothing was sent/)
  t.equal(engine.seen.length, asked, 'no request came')
})

t.test('engines that hang, are gone, or speak something else each end within the limit, and say so', async t => {
  const hanging = await listen(t, () => {})
  const dripping = await listen(t, (_request, response) => {
    response.writeHead(200)
    const clock = setInterval(() => response.write(' '), 20)
    response.once('close', () => clearInterval(clock))
  })
  const mail = createServer(socket => socket.end('220 mail.example.com ready\r\n').on('error', () => {}))
  await new Promise<void>(resolve => mail.listen(0, '127.0.0.1', resolve))
  t.teardown(() => mail.close())
  const address = mail.address()
  const garbage = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
  const gone = `http://127.0.0.1:${await freePort()}`
  const moved = await listen(t, (_request, response) =>
    response.writeHead(302, { location: `${hanging}/v1/models` }).end()
  )
  const html = await listen(t, (_request, response) => response.end('<html>'))
  const targets = [hanging, dripping, garbage, gone, moved, html]
  const started = performance.now()
  const { code, report } = await findingsOf(t, configure(t, { qwen: pool(targets) }), '--timeout', '1500ms')
  t.ok(performance.now() - started < 20_000, 'far less than a request without a limit')
  t.equal(code, 1)
  const errors = report.findings.filter(({ severity }: { severity: string }) => severity === 'error')
  const byTarget = new Map(errors.map(({ target, code }: { target: string; code: string }) => [target, code]))
  t.strictSame(
    targets.map(target => byTarget.get(target)),
    ['P102', 'P102', 'P106', 'P101', 'P106', 'P106']
  )
})

t.test('one engine that hangs does not hold up the others', async t => {
  const engine = await startDouble(t, VLLM)
  const hanging = await listen(t, () => {})
  const { report } = await findingsOf(t, configure(t, { qwen: pool([hanging, engine.origin]) }), '--timeout', '1500ms')
  t.strictSame(
    report.targets.map(({ reachable }: { reachable: boolean }) => reachable),
    [false, true]
  )
})

t.test('a document without end is read to its bound', async t => {
  let sent = 0
  const engine = await startDouble(t, {
    ...VLLM,
    instead: (request, response) => {
      if (request.url !== '/openapi.json') return false
      response.writeHead(200, { 'content-type': 'application/json' })
      response.write('{"paths":{"')
      const piece = Buffer.alloc(256 * 1024, 'x')
      const more = () => {
        while (!response.destroyed) {
          sent += piece.length
          if (!response.write(piece)) return
        }
      }
      response.on('drain', more)
      more()
      return true
    }
  })
  const { code, codes } = await findingsOf(t, configure(t, { qwen: pool([engine.origin]) }))
  t.equal(code, 0)
  t.ok(codes.includes('P222'))
  t.ok(sent < 64 * 1024 * 1024, 'the rest was not taken')
})

t.test('what an engine says is shown without what a terminal would obey, and never with the key', async t => {
  const evil = `\u001b]0;owned\u0007\u001b[2J\u202egpj\u2028new`
  const engine = await startDouble(t, {
    ...VLLM,
    models: [`${evil}model`, `leak-${KEY}`],
    version: `${evil}9 ${KEY}`,
    documented: [...documented, `POST /${evil}`, `POST /echo/${KEY}`, 'GET //evil.example/x']
  })
  const file = configure(t, { qwen: pool([engine.origin]) })
  for (const format of ['text', 'json']) {
    const { out } = await probe(t, ['-c', file, '--format', format])
    t.notMatch(out.replaceAll('\n', ''), /[\p{C}\p{Zl}\p{Zp}]/u, format)
    t.match(out, /••••/)
    t.match(out, 'owned', 'the harmless part is there')
  }
  t.strictSame(engine.ran, [])
})

t.test('JSON has everything that a program needs, and nothing else stands on standard output', async t => {
  const engine = await startDouble(t, VLLM)
  const hidden = await startDouble(t, { ...VLLM, documented: null })
  const file = configure(t, { a: pool([engine.origin]), b: pool([hidden.origin], { models: ['tiny'] }) })
  const { report } = await findingsOf(t, file)
  t.strictSame(Object.keys(report), ['file', 'summary', 'targets', 'findings'])
  t.equal(report.file, file)
  t.equal(report.summary.targets, 2)
  const { errors, warnings, infos } = report.summary
  t.equal(errors + warnings + infos, report.findings.length)
  t.match(report.targets[0], {
    pool: 'a',
    engine: 'vllm',
    target: engine.origin,
    reachable: true,
    looksLike: 'vllm',
    version: '0.32.0',
    models: ['tiny'],
    routes: documented.length
  })
  t.ok(report.targets[0].pathsAsked > 40)
  t.match(report.targets[1], { target: hidden.origin, routes: null, looksLike: 'vllm' })
  const info = report.findings.find(({ code }: { code: string }) => code === 'P221')
  t.match(info, { severity: 'info', pool: 'b', target: hidden.origin })
  for (const one of report.findings) {
    t.match(one, { code: /^P\d{3}$/, severity: /^(error|warning|info)$/, message: /./ })
    t.ok('pool' in one && 'target' in one)
  }
})

t.test('--pool asks that pool alone', async t => {
  const [a, b] = [await startDouble(t, VLLM), await startDouble(t, VLLM)]
  const file = configure(t, { a: pool([a.origin]), b: pool([b.origin]) })
  const { report } = await findingsOf(t, file, '--pool', 'b')
  t.strictSame(
    report.targets.map(({ pool }: { pool: string }) => pool),
    ['b']
  )
  t.equal(a.seen.length, 0)
})

t.test('wrong usage and a faulty file are said, exit code 2', async t => {
  const file = configure(t, { qwen: pool(['http://127.0.0.1:1']) })
  for (const [args, words] of [
    [['-c', file, '--format', 'xml'], '--format'],
    [['-c', file, '--timeout', '5'], '--timeout'],
    [['-c', file, '--timeout', '0s'], '--timeout'],
    [['-c', file, '--pool', 'other'], 'no pool is named "other"'],
    [['-c', '/nowhere.yaml'], 'cannot be read']
  ] as const) {
    const [stdout, stderr] = [new Written(), new Written()]
    t.equal(await runProbe(args, { stdout, stderr, env: { ENGINE_KEY: KEY } }), 2, args.join(' '))
    t.match(stderr.text, words)
    t.equal(stdout.text, '')
  }
  const [help, none, unknown] = [await probe(t, ['--help']), await probe(t, []), await probe(t, ['--nothing'])]
  t.equal(help.code, 0)
  t.match(help.out, /Usage: tollgate probe/)
  t.strictSame([none.code, unknown.code], [2, 2])
  t.match(none.err, '--config FILE is missing')
  t.match(unknown.err, '--nothing')
})

t.test('a terminal sees colours and how far it is; a file sees neither', async t => {
  const engine = await startDouble(t, VLLM)
  const file = configure(t, { qwen: pool([engine.origin]) })
  const [stdout, stderr] = [new Written(), new Written()]
  const terminal = { isTTY: true }
  const streams = { stdout: Object.assign(stdout, terminal), stderr: Object.assign(stderr, terminal) }
  t.equal(await runProbe(['-c', file], { ...streams, env: { ENGINE_KEY: KEY } }), 0)
  t.match(stdout.text, '\u001b[33mwarning\u001b[39m P210')
  t.match(stderr.text, '0 of 1 targets asked')
  t.match(stderr.text, '1 of 1 targets asked')
  const [plain, quiet] = [new Written(), new Written()]
  t.equal(await runProbe(['-c', file], { stdout: plain, stderr: quiet, env: { ENGINE_KEY: KEY } }), 0)
  t.notMatch(plain.text, '\u001b')
  t.equal(quiet.text, '')
})
