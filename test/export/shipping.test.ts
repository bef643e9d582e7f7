import { writeFileSync } from 'node:fs'
import type { Worker } from 'node:worker_threads'
import t, { type Test } from 'tap'
import { createShipping } from '../../src/export/shipping.ts'
import { ledgerIn, USAGE, until } from '../helpers/ledger-files.ts'
import { startReceiver } from '../helpers/receiver.ts'
import { RESOLVER } from '../helpers/resolvers.ts'
import { httpSink } from '../helpers/sinks.ts'

async function scene(t: Test) {
  const receiver = await startReceiver(t)
  const dir = t.testdir()
  const { ledger } = ledgerIn(dir)
  const open = (drainMs = 5_000) => {
    const told: string[] = []
    const write = (facts: object, message: string) => told.push(`${message} ${JSON.stringify(facts)}`)
    const shipping = createShipping({
      dir,
      sinks: [httpSink(receiver.url)],
      resolver: RESOLVER,
      nowMs: Date.now,
      drainMs,
      log: { info: write, warn: write, error: write }
    })
    const status = () => {
      const [one] = shipping.status()
      if (one === undefined) throw new Error('there is no sink')
      return one
    }
    return { shipping, told, status }
  }
  const charge = (count: number) => {
    for (let n = 0; n < count; n++) ledger.charge(null, 'team-a', USAGE)
  }
  return { receiver, dir, ledger, charge, open }
}

t.test('usage goes to a sink while it is written, and what is there at the end too', async t => {
  const s = await scene(t)
  const { shipping, status } = s.open()
  t.match(status(), { isOurs: false, lagMs: 0, shipped: 0 })
  shipping.start()
  s.charge(3)
  await until(() => status().shipped === 3)
  t.match(status(), { name: 'lake', isOurs: true, failures: 0, dead: 0, fault: null })
  s.charge(4)
  await s.ledger.close()
  await shipping.close()
  t.match(status(), { shipped: 7, lagMs: 0, isOurs: false })
  t.equal(s.receiver.kept.size, 7)
})

t.test(
  'a sink that is away: the lag grows, failures are counted, one line tells, and the end is not held up',
  async t => {
    const s = await scene(t)
    s.receiver.decide = () => 503
    const { shipping, status, told } = s.open()
    shipping.start()
    s.charge(1)
    await until(() => status().failures > 1)
    t.ok(status().lagMs > 250, String(status().lagMs))
    t.equal(status().fault, 'it answered 503')
    t.equal(told.filter(line => line.startsWith('a sink does not take usage')).length, 1)
    s.receiver.decide = () => 204
    await until(() => status().shipped === 1)
    t.match(status(), { fault: null })
    t.ok(told.includes('the sink takes usage again {"sink":"lake"}'))
    s.receiver.decide = () => 503
    s.charge(1)
    await until(() => status().fault !== null)
    await s.ledger.close()
    await shipping.close()
    t.match(told.at(-1), /^usage is left to be shipped by the next start/)
  }
)

t.test('a sink that says nothing is not waited for at the end for longer than is meant', async t => {
  const s = await scene(t)
  const { shipping } = s.open(100)
  s.receiver.decide = () => 'silence'
  shipping.start()
  s.charge(1)
  await s.receiver.until(() => s.receiver.received.length === 1)
  await s.ledger.close()
  await shipping.close()
  const next = s.open()
  s.receiver.decide = () => 204
  next.shipping.start()
  await until(() => next.status().shipped === 1)
  await next.shipping.close()
})

t.test('of two gates one ships, and the other when that one has ended', async t => {
  const s = await scene(t)
  const [first, second] = [s.open(), s.open()]
  first.shipping.start()
  await until(() => first.status().isOurs)
  second.shipping.start()
  await until(() => second.told.length > 0)
  t.match(second.told, [/^another gate ships usage to this sink/])
  s.charge(5)
  await until(() => first.status().shipped === 5)
  await first.shipping.close()
  s.charge(2)
  await until(() => second.status().shipped === 2)
  await s.ledger.close()
  await second.shipping.close()
  t.strictSame([...s.receiver.kept.values()], Array(7).fill(1))
})

t.test('what cannot be shipped for another reason is told, and tried again', async t => {
  const s = await scene(t)
  writeFileSync(`${s.dir}/export-lake.cursor.json`, 'x')
  const { shipping, status, told } = s.open()
  shipping.start()
  await until(() => status().failures > 0)
  t.match(told.at(-1), /^usage cannot be shipped; it is tried again .*cursor\.json cannot be used/)
  writeFileSync(`${s.dir}/export-lake.cursor.json`, '{"v":1,"boots":{}}')
  s.charge(1)
  await until(() => status().shipped === 1)
  await s.ledger.close()
  await shipping.close()
})

t.test('a thread that dies is started again, and goes on where it was', async t => {
  const s = await scene(t)
  const threads: Worker[] = []
  const onWorker = (worker: Worker) => threads.push(worker)
  process.on('worker', onWorker)
  t.teardown(() => process.off('worker', onWorker))
  const { shipping, status } = s.open()
  shipping.start()
  s.charge(2)
  await until(() => status().shipped === 2)
  await threads[0]?.terminate()
  t.equal(status().isOurs, false)
  s.charge(3)
  await until(() => status().shipped === 5)
  t.equal(threads.length, 2)
  await s.ledger.close()
  await shipping.close()
  t.strictSame([...s.receiver.kept.values()], Array(5).fill(1))
})
