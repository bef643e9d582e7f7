import { execFile } from 'node:child_process'
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { open, replace, scene } from '../helpers/two-pools.ts'

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))

t.test('on SIGHUP new requests follow the new file; a stream that runs ends under the old one', async t => {
  const s = await scene(t)
  const gate = await open(t, s)
  await s.a.script({ kind: 'sse', events: ['data: 1\n\n'], after: 'hang' })
  const running = await s.ask({ stream: true })
  const reader = running.body?.getReader()
  await reader?.read()
  await s.a.script({ kind: 'echo' })
  t.equal(await s.servedBy(), 'a')
  replace(s.file, s.text('b'))
  gate.child.kill('SIGHUP')
  await gate.says('the configuration was loaded anew')
  t.match(gate.stderr(), /teams\.team-a\.pool \\"a\\" → \\"b\\"/)
  t.equal(await s.servedBy(), 'b')
  t.equal((await s.a.connections()) > 0, true, 'the stream is there')
  await reader?.cancel()
})

t.test('a change of the file is followed by itself, also behind the links of a ConfigMap', async t => {
  const s = await scene(t)
  // A mounted ConfigMap: tollgate.yaml → ..data/tollgate.yaml, ..data → a folder that is swapped.
  const mount = `${s.dir}/mount`
  const put = (version: string, text: string) => {
    mkdirSync(`${mount}/..${version}`, { recursive: true })
    writeFileSync(`${mount}/..${version}/tollgate.yaml`, text)
    symlinkSync(`..${version}`, `${mount}/..data_tmp`)
    renameSync(`${mount}/..data_tmp`, `${mount}/..data`)
  }
  put('1', s.text('a'))
  symlinkSync('..data/tollgate.yaml', `${mount}/tollgate.yaml`)
  const gate = await open(t, { ...s, file: `${mount}/tollgate.yaml` })
  t.equal(await s.servedBy(), 'a')
  put('2', s.text('b'))
  await gate.says('the configuration was loaded anew')
  t.equal(await s.servedBy(), 'b')
})

t.test('a faulty file changes nothing, is told of in the words of check, and shows until it is mended', async t => {
  const s = await scene(t)
  const gate = await open(t, s)
  replace(s.file, s.text('nowhere').replace('engine: vllm', 'engine: vlm'))
  gate.child.kill('SIGHUP')
  await gate.says('the last good one stays')
  t.match(gate.stderr(), /did you mean/)
  t.match(gate.stderr(), /no pool is named/)
  t.equal(await s.servedBy(), 'a')
  const ready = await fetch(`${s.adminUrl}/readyz`)
  t.equal(ready.status, 200)
  const { checks } = (await ready.json()) as { checks: { name: string; detail: { lastReload: object } }[] }
  t.match(checks.find(check => check.name === 'configuration')?.detail.lastReload, {
    ok: false,
    faults: [/vlm|engine/]
  })
  const refused = await fetch(`${s.adminUrl}/-/reload`, { method: 'POST' })
  t.equal(refused.status, 422)
  t.match(await refused.json(), { ok: false, faults: [{ line: Number, message: String }] })
  replace(s.file, s.text('b'))
  const mended = await fetch(`${s.adminUrl}/-/reload`, { method: 'POST' })
  t.equal(mended.status, 200)
  t.match(await mended.json(), { ok: true, changes: [{ path: 'teams.team-a.pool', needsRestart: false }] })
  t.equal(await s.servedBy(), 'b')
})

t.test('keys that need a restart are named until it is done, the others are followed', async t => {
  const s = await scene(t)
  const gate = await open(t, s)
  replace(s.file, s.text('b').replace(`${s.dir}/audit.log`, `${s.dir}/other.log`))
  const answer = await fetch(`${s.adminUrl}/-/reload`, { method: 'POST' })
  t.match(await answer.json(), { changes: [{ path: 'teams.team-a.pool' }, { path: 'audit.to', needsRestart: true }] })
  await gate.says('require a restart')
  t.equal(await s.servedBy(), 'b')
  const { config } = (await (await fetch(`${s.adminUrl}/-/config`)).json()) as { config: { teams: object } }
  t.match(config.teams, { 'team-a': { pool: 'b' } })

  const seen = async () => {
    const [ready, metrics, running] = await Promise.all(
      ['/readyz', '/metrics', '/-/config'].map(async path => await (await fetch(`${s.adminUrl}${path}`)).text())
    )
    const { pendingRestart, config } = JSON.parse(running ?? '')
    return { ready, count: /^tollgate_config_restart_pending (\d)/m.exec(metrics ?? '')?.[1], pendingRestart, config }
  }
  // A later reload of something else changes nothing of that.
  replace(s.file, s.text('a').replace(`${s.dir}/audit.log`, `${s.dir}/other.log`))
  gate.child.kill('SIGHUP')
  await gate.says('changed keys require a restart', 2)
  const pending = await seen()
  t.match(pending.ready, '"pendingRestart":["audit.to"]')
  t.match(pending, {
    count: '1',
    pendingRestart: [{ path: 'audit.to', after: /other/ }],
    config: { audit: { to: /audit\.log/ } }
  })
  const { stdout } = await promisify(execFile)(process.execPath, [CLI, 'check', s.file, '--diff', '--url', s.adminUrl])
  t.match(
    stdout,
    /^audit\.to .*audit\.log" → .*other\.log" \(needs a restart\)\n1 change. 1 of them need a restart\.$/m
  )
  replace(s.file, s.text('a'))
  gate.child.kill('SIGHUP')
  await gate.says('the configuration was loaded anew', 3)
  t.match(await seen(), { ready: '"pendingRestart":[]', count: '0', pendingRestart: [] })
})

t.test('under load, fifty reloads lose no request', async t => {
  const s = await scene(t)
  await s.a.script({ kind: 'json', body: {} })
  await s.b.script({ kind: 'json', body: {} })
  await open(t, s)
  let isDone = false
  const statuses = new Map<number | string, number>()
  const caller = async () => {
    while (!isDone) {
      const status = await s.ask().then(
        async answer => {
          await answer.text()
          return answer.status
        },
        (err: Error) => String(err)
      )
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
  }
  const callers = Array.from({ length: 8 }, caller)
  for (let i = 0; i < 50; i++) {
    replace(s.file, s.text(i % 2 === 0 ? 'b' : 'a'))
    t.equal((await fetch(`${s.adminUrl}/-/reload`, { method: 'POST' })).status, 200)
  }
  isDone = true
  await Promise.all(callers)
  t.strictSame([...statuses.keys()], [200], JSON.stringify([...statuses]))
})
