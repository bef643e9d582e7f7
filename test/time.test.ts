import t from 'tap'
import { msFromSec, secFromMs } from '../src/time.ts'

t.test('seconds and milliseconds turn into each other, rounding down', async t => {
  t.equal(secFromMs(1999), 1)
  t.equal(msFromSec(2), 2000)
})
