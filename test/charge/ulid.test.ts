import t from 'tap'
import { ulid } from '../../src/charge/ulid.ts'

t.test('a name is 26 letters without those that look alike, and sorts by when it was made', async t => {
  t.match(ulid(Date.now()), /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/)
  t.ok(ulid(1_000) < ulid(1_001))
  t.ok(ulid(1_899_999_999_999) < ulid(1_900_000_000_000))
  t.equal(new Set(Array.from({ length: 100 }, () => ulid(5))).size, 100)
})

t.test('it is written as its specification has it', async t => {
  // The example of the specification: its time alone.
  t.equal(ulid(1_469_918_176_385).slice(0, 10), '01ARYZ6S41')
  t.equal(ulid(0, new Uint8Array(10)), '0'.repeat(26))
  t.equal(ulid(2 ** 48 - 1, new Uint8Array(10).fill(255)), `7${'Z'.repeat(25)}`)
})
