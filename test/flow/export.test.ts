import t from 'tap'
import { runGate } from '../helpers/gate-process.ts'
import { idOf, idsIn, openWith, SECRETS, scrapeOf } from '../helpers/gate-with-sinks.ts'
import { until, usagesIn } from '../helpers/ledger-files.ts'
import { PASSWORD, startPostgres, WITHOUT_POSTGRES } from '../helpers/postgres.ts'
import { startReceiver } from '../helpers/receiver.ts'
import { fresh, scene } from '../helpers/two-pools.ts'

t.test(
  'a gate ships what it writes, and at its end what is left: each sink has all that the ledger has',
  WITHOUT_POSTGRES,
  async t => {
    const [s, receiver, server] = [await scene(t), await startReceiver(t), await startPostgres(t)]
    await s.a.script({ kind: 'json', body: {} })
    const sinks = `{ lake: { http: { url: "${receiver.url}", token: "\${env:LAKE}" } }, db: { postgres: ${server.yaml} } }`
    const gate = await openWith(t, s, sinks)
    t.equal(await fresh(s), '200')
    await gate.says(/SQLSTATE 42P01/)
    t.equal(await runGate(t, ['usage', 'export', '--config', s.file, '--sink', 'db', '--init'], SECRETS).exit, 0)
    for (let n = 0; n < 19; n++) t.equal(await fresh(s), '200')
    await receiver.until(() => receiver.kept.size === 20)
    t.equal(receiver.received[0]?.headers.authorization, 'Bearer secret-77')
    let now = await scrapeOf(s)
    while (now.value('tollgate_export_records_total', { sink: 'db', result: 'taken' }) !== 20) now = await scrapeOf(s)
    t.ok((now.value('tollgate_export_failures_total', { sink: 'db' }) ?? 0) > 0, 'there was no table at first')
    t.equal(now.value('tollgate_export_failures_total', { sink: 'lake' }), 0)
    while (now.value('tollgate_export_lag_seconds', { sink: 'db' }) !== 0) now = await scrapeOf(s)
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
