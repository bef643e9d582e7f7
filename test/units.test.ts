import fc from 'fast-check'
import t from 'tap'
import { readBytes, readDurationMs } from '../src/units.ts'

t.test('durations and sizes are read with their units', async t => {
  t.equal(readDurationMs('250ms'), 250)
  t.equal(readDurationMs('30s'), 30_000)
  t.equal(readDurationMs('5m'), 300_000)
  t.equal(readDurationMs('24h'), 86_400_000)
  t.equal(readDurationMs('180d'), 15_552_000_000)
  t.equal(readBytes('2MiB'), 2_097_152)
  t.equal(readBytes('10MB'), 10_000_000)
  t.equal(readBytes('512B'), 512)
})

t.test('a text without a unit, with a space or a sign is none', async t => {
  for (const text of ['30', '30 s', '-1s', '1.5h', 's', '', '1S']) t.throws(() => readDurationMs(text), TypeError)
  for (const text of ['2', '2 MiB', '-2MiB', 'MiB', '2mib']) t.throws(() => readBytes(text), TypeError)
})

t.test('every whole number of seconds comes back as a thousand times as many milliseconds', async () => {
  fc.assert(fc.property(fc.nat(999_999_999), n => readDurationMs(`${n}s`) === n * 1000))
})
