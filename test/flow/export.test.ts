import { writeFileSync } from 'node:fs'
import t from 'tap'
import { runGate } from '../helpers/gate-process.ts'
import { until, usagesIn } from '../helpers/ledger-files.ts'
import { PASSWORD, startPostgres } from '../helpers/postgres.ts'
import { startReceiver } from '../helpers/receiver.ts'
import { readScrape } from '../helpers/scrape.ts'
import { fresh, type Scene, scene } from '../helpers/two-pools.ts'

const idOf = ({ source, id }: { readonly source: string; readonly id: string }) => `${source} ${id}`
const idsIn = (dir: string) => usagesIn(dir).map(idOf).sort()

/** A gate with sinks, once it serves. */
async function openWith(t: Parameters<typeof scene>[0], s: Scene, sinks: string) {
  writeFileSync(s.file, s.text('a', `metering: { dir: ${s.dir}/usage, sinks: ${sinks} }`))
  const gate = runGate(t, ['serve', '--config', s.file], { PG_SECRET: PASSWORD, LAKE: 'secret-77' })
  await gate.says('the gate is open')
  await gate.says('keys are in use')
  return gate
}

async function scrape(s: Scene) {
  return readScrape(await (await fetch(`${s.adminUrl}/metrics`)).text())
}

t.test('a gate ships what it writes, and at its end what is left: each sink has all that the ledger has', async t => {
  const [s, receiver, server] = [await scene(t), await startReceiver(t), await startPostgres(t)]
  await s.a.script({ kind: 'json', body: {} })
  const sinks = `{ lake: { http: { url: "${receiver.url}", token: "\${env:LAKE}" } }, db: { postgres: ${server.yaml} } }`
  const gate = await openWith(t, s, sinks)
  t.equal(await fresh(s), '200')
  await gate.says(/SQLSTATE 42P01/)
  t.equal(
    await runGate(t, ['usage', 'export', '--config', s.file, '--sink', 'db', '--init'], {
      PG_SECRET: PASSWORD,
      LAKE: 'secret-77'
    }).exit,
    0
  )
  for (let n = 0; n < 19; n++) t.equal(await fresh(s), '200')
  await receiver.until(() => receiver.kept.size === 20)
  t.equal(receiver.received[0]?.headers.authorization, 'Bearer secret-77')
  let now = await scrape(s)
  while (now.value('tollgate_export_records_total', { sink: 'db', result: 'taken' }) !== 20) now = await scrape(s)
  t.ok((now.value('tollgate_export_failures_total', { sink: 'db' }) ?? 0) > 0, 'there was no table at first')
  t.equal(now.value('tollgate_export_failures_total', { sink: 'lake' }), 0)
  while (now.value('tollgate_export_lag_seconds', { sink: 'db' }) !== 0) now = await scrape(s)
  const { checks } = (await (await fetch(`${s.adminUrl}/readyz`)).json()) as { checks: { name: string }[] }
  t.ok(checks.some(({ name }) => name === 'sink lake'))
  for (let n = 0; n < 5; n++) t.equal(await fresh(s), '200')
  gate.child.kill('SIGTERM')
  t.equal(await gate.exit, 0)
  const wanted = idsIn(`${s.dir}/usage`)
  t.equal(wanted.length, 25)
  t.strictSame([...receiver.kept.keys()].sort(), wanted)
  t.ok([...receiver.kept.values()].every(count => count === 1))
  const rows = await server.query<{ source: string; id: string }>('SELECT source, id FROM billing.usage')
  t.strictSame(rows.map(idOf).sort(), wanted)
  t.notMatch(gate.stderr(), PASSWORD)
  t.notMatch(gate.stderr(), 'secret-77')
})

t.test(
  'sinks that say nothing hold up no call and no end; a gate that is killed has lost nothing for them',
  async t => {
    const [s, receiver] = [await scene(t), await startReceiver(t)]
    await s.a.script({ kind: 'json', body: {} })
    const sinks = `{ lake: { http: { url: "${receiver.url}" } } }`
    receiver.decide = () => 'silence'
    const first = await openWith(t, s, sinks)
    for (let n = 0; n < 10; n++) t.equal(await fresh(s), '200')
    await receiver.until(() => receiver.received.length > 0)
    for (let n = 0; n < 10; n++) t.equal(await fresh(s), '200')
    let now = await scrape(s)
    while ((now.value('tollgate_export_lag_seconds', { sink: 'lake' }) ?? 0) <= 0) now = await scrape(s)
    await until(() => usagesIn(`${s.dir}/usage`).length === 20)
    first.child.kill('SIGKILL')
    await first.exit
    const second = await openWith(t, s, sinks)
    for (let n = 0; n < 10; n++) t.equal(await fresh(s), '200')
    second.child.kill('SIGTERM')
    t.equal(await second.exit, 0, 'it has not waited for ever')
    t.equal(receiver.kept.size, 0)
    receiver.decide = () => 204
    const third = await openWith(t, s, sinks)
    await receiver.until(() => receiver.kept.size === 30)
    t.equal(await fresh(s), '200')
    third.child.kill('SIGTERM')
    t.equal(await third.exit, 0)
    t.strictSame([...receiver.kept.keys()].sort(), idsIn(`${s.dir}/usage`))
    t.ok([...receiver.kept.values()].every(count => count === 1))
  }
)

t.test('a sink of the command alone is left to the command', async t => {
  const [s, receiver] = [await scene(t), await startReceiver(t)]
  await s.a.script({ kind: 'json', body: {} })
  const gate = await openWith(t, s, `{ lake: { http: { url: "${receiver.url}" }, by: command } }`)
  t.equal(await fresh(s), '200')
  await until(() => usagesIn(`${s.dir}/usage`).length === 1)
  const shipped = runGate(t, ['usage', 'export', '--config', s.file, '--sink', 'lake'])
  t.equal(await shipped.exit, 0, shipped.stderr())
  t.equal(receiver.kept.size, 1, 'while the gate writes')
  const following = runGate(t, ['usage', 'export', '--config', s.file, '--sink', 'lake', '--follow'])
  await following.says('usage is shipped')
  t.equal(await fresh(s), '200')
  await receiver.until(() => receiver.kept.size === 2)
  following.child.kill('SIGTERM')
  t.equal(await following.exit, 0, following.stderr())
  gate.child.kill('SIGTERM')
  t.equal(await gate.exit, 0)
  t.equal(receiver.received.length, 2)
})
