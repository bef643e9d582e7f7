import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import type { WorkerInit, WorkerNews } from '../../src/export/worker.ts'
import { ledgerIn, USAGE } from '../helpers/ledger-files.ts'
import { startReceiver } from '../helpers/receiver.ts'
import { RESOLVER } from '../helpers/resolvers.ts'
import { httpSink } from '../helpers/sinks.ts'

t.test(
  'the thread ships to each sink by itself: one that is broken holds up no other; told to end, it ends',
  async t => {
    const receiver = await startReceiver(t)
    const dir = t.testdir({ 'export-bad.cursor.json': 'x' })
    const { ledger } = ledgerIn(dir)
    for (let n = 0; n < 3; n++) ledger.charge(null, 'team-a', USAGE)
    const sinks = [httpSink(receiver.url), httpSink(receiver.url, { name: 'bad' })]
    const worker = new Worker(new URL('../../src/export/worker.ts', import.meta.url), {
      workerData: { dir, sinks, resolver: RESOLVER } satisfies WorkerInit
    })
    const news: WorkerNews[] = []
    worker.on('message', one => news.push(one))
    await receiver.until(() => receiver.kept.size === 3)
    while (!news.some(({ is }) => is === 'broken')) await once(worker, 'message')
    ledger.charge(null, 'team-a', USAGE)
    await ledger.close()
    const exit = once(worker, 'exit')
    worker.postMessage('drain')
    t.strictSame(await exit, [0])
    t.equal(receiver.kept.size, 4, 'what is there is shipped')
    t.match(
      news.filter(({ sink }) => sink === 'bad'),
      [{ is: 'begun' }, { is: 'broken', message: /cursor\.json cannot be used/ }]
    )
  }
)
