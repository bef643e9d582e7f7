import t from 'tap'
import { idsIn, openWith, scrapeOf } from '../helpers/gate-with-sinks.ts'
import { until, usagesIn } from '../helpers/ledger-files.ts'
import { startReceiver } from '../helpers/receiver.ts'
import { fresh, scene } from '../helpers/two-pools.ts'

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
    let now = await scrapeOf(s)
    while ((now.value('tollgate_export_lag_seconds', { sink: 'lake' }) ?? 0) <= 0) now = await scrapeOf(s)
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
