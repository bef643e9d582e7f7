import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { type ShipperInit, ship } from '../../src/export/shipper.ts'
import { takeLock } from '../../src/segments/lock.ts'
import { ledgerIn, OPEN, USAGE, until, usagesIn } from '../helpers/ledger-files.ts'
import { startReceiver } from '../helpers/receiver.ts'
import { httpSink, tellTo } from '../helpers/sinks.ts'

async function scene(t: Test, more: Parameters<typeof httpSink>[1] = {}) {
  const receiver = await startReceiver(t)
  const dir = t.testdir()
  const told: string[] = []
  const [stop, drain] = [new AbortController(), new AbortController()]
  const write = async (count: number, data = {}) => {
    const { ledger } = ledgerIn(dir, { segmentBytes: 20_000 })
    for (let n = 0; n < count; n++) ledger.charge(ledger.open(OPEN), 'team-a', { ...USAGE, ...data })
    await ledger.close()
  }
  const run = (init: Partial<ShipperInit> = {}) =>
    ship({
      dir,
      options: httpSink(receiver.url, more),
      follow: false,
      patienceMs: 60_000,
      nowMs: Date.now,
      random: () => 0,
      stop: stop.signal,
      drain: drain.signal,
      on: tellTo(told),
      ...init
    })
  t.teardown(() => stop.abort())
  const ids = () => usagesIn(dir).map(({ source, id }) => `${source} ${id}`)
  return { receiver, dir, told, stop, drain, write, run, ids }
}

t.test('what is there is shipped once, and only what is new the next time', async t => {
  const s = await scene(t, { batchRecords: 100 })
  await s.write(250)
  t.equal(await s.run(), 'all')
  t.strictSame(
    [...s.receiver.kept],
    s.ids().map(id => [id, 1])
  )
  t.strictSame(
    s.receiver.received.map(({ events }) => events.length),
    [100, 100, 50]
  )
  await s.write(3)
  t.equal(await s.run(), 'all')
  t.strictSame(
    [...s.receiver.kept],
    s.ids().map(id => [id, 1])
  )
  t.equal(await s.run(), 'all')
  t.equal(s.receiver.received.length, 4)
})

t.test('nothing counts as shipped before the sink has said so', async t => {
  const s = await scene(t, { batchRecords: 100 })
  await s.write(150)
  s.receiver.decide = (_, count) => (count === 1 ? 204 : 503)
  await t.rejects(s.run({ patienceMs: 0 }), { message: /503/ })
  s.receiver.decide = () => 204
  t.equal(await s.run(), 'all')
  t.strictSame(
    [...s.receiver.kept],
    s.ids().map(id => [id, 1])
  )
  t.strictSame(
    s.told,
    [
      'begun',
      'pending',
      'taken',
      'shipped 100, 0 dead',
      'pending',
      's',
      'begun',
      'pending',
      'taken',
      'shipped 50, 0 dead',
      'nothing'
    ].map(word => (word === 's' ? 'failed: it answered 503' : word))
  )
})

t.test('records that are refused stand in the file of dead letters, and all others are shipped', async t => {
  const s = await scene(t)
  await s.write(100)
  await s.write(2, { sub: 'bad' })
  await s.write(100)
  s.receiver.decide = ({ events }) =>
    events.some(({ data }) => data.sub === 'bad') ? { status: 422, body: 'sub is bad' } : 204
  t.equal(await s.run(), 'all')
  const bad = usagesIn(s.dir).filter(({ data }) => data.sub === 'bad')
  t.equal(s.receiver.kept.size, 200)
  const letters = readFileSync(`${s.dir}/export-lake.dead-letters.jsonl`, 'utf8').trimEnd().split('\n')
  t.match(
    letters.map(line => JSON.parse(line)),
    bad.map(({ id }) => ({ sink: 'lake', reason: 'it answered 422: sub is bad', event: { id } }))
  )
  t.ok(s.told.includes('shipped 200, 2 dead'))
  t.equal(await s.run(), 'all')
  t.equal(s.receiver.kept.size, 200, 'they are not tried again')
})

t.test('a wrong token costs no record', async t => {
  const s = await scene(t)
  await s.write(5)
  s.receiver.decide = () => 401
  await t.rejects(s.run({ patienceMs: 0 }), { message: 'it answered 401 (is the token right?)' })
  t.notOk(existsSync(`${s.dir}/export-lake.dead-letters.jsonl`))
})

t.test('who follows ships what comes, and what is there when it is told to end', async t => {
  const s = await scene(t)
  const end = s.run({ follow: true })
  await s.write(3)
  await s.receiver.until(() => s.receiver.kept.size === 3)
  await s.write(4)
  s.drain.abort()
  t.equal(await end, 'all')
  t.strictSame([...s.receiver.kept.keys()], s.ids())
})

t.test('one ships at a time: another one says so, or stands by and follows', async t => {
  const s = await scene(t)
  const lock = takeLock(`${s.dir}/export-lake.lock`)
  await s.write(3)
  t.equal(await s.run(), 'busy')
  const end = s.run({ follow: true })
  await until(() => s.told.includes('standby'))
  t.equal(s.receiver.received.length, 0)
  lock?.release()
  await s.receiver.until(() => s.receiver.kept.size === 3)
  s.drain.abort()
  t.equal(await end, 'all')
})

t.test('a boot that cannot be read is no success', async t => {
  const s = await scene(t)
  await s.write(2)
  const bad = `${s.dir}/usage-gw-0-00000000000000000000000000-000000.jsonl`
  mkdirSync(bad)
  t.equal(await s.run(), 'partly')
  t.equal(s.receiver.kept.size, 2)
  t.ok(s.told.some(line => line.startsWith('trouble: 00000000000000000000000000: it cannot be read now')))
  rmSync(bad, { recursive: true })
})

t.test('a cursor that is no cursor ships nothing', async t => {
  const s = await scene(t)
  await s.write(2)
  writeFileSync(`${s.dir}/export-lake.cursor.json`, 'x')
  await t.rejects(s.run(), { message: /export-lake\.cursor\.json cannot be used/ })
  t.equal(s.receiver.received.length, 0)
})
