import fc from 'fast-check'
import t from 'tap'
import type { Revocation } from '../../src/authenticate/revocation.ts'
import { type Revocable, RevocationIndex } from '../../src/authenticate/revocation-index.ts'
import { revocation } from '../helpers/revocations.ts'

/** Names that would run together if they were put together. */
const name = fc.constantFrom('a', 'b', 'a b', 'a:b', 'ab', '__proto__', 'constructor')
const sec = fc.integer({ min: 0, max: 5 })
const one: fc.Arbitrary<Revocation> = fc
  .record({ kind: fc.constantFrom('jti', 'sub', 'team', 'kid'), iss: name, value: name, before: fc.option(sec) })
  .map(({ kind, iss, value, before }) =>
    revocation({
      kind,
      iss: kind === 'team' && value < 'a b' ? null : iss,
      value,
      beforeMs: before === null ? null : before * 1_000
    })
  )
const who: fc.Arbitrary<Revocable> = fc.record({
  iss: name,
  sub: name,
  team: fc.option(name),
  jti: fc.option(name),
  kid: fc.option(name),
  iatSec: sec
})

t.test('it says what a walk through the whole list would say, whatever the names are', async t => {
  fc.assert(
    fc.property(fc.array(one, { maxLength: 12 }), who, (all, who) => {
      const expected = all.some(
        ({ kind, iss, value, beforeMs }) =>
          who[kind] === value &&
          (iss === null || iss === who.iss) &&
          (beforeMs === null || who.iatSec * 1_000 < beforeMs)
      )
      return (new RevocationIndex(all).find(who) !== null) === expected
    }),
    { numRuns: 2_000 }
  )
  t.pass()
})

t.test('of several for one name the one that reaches furthest is told', async t => {
  const all = [revocation({ id: 'early', beforeMs: 1_000 }), revocation({ id: 'late', beforeMs: 5_000 })]
  const mallory = { iss: 'https://idp', sub: 'u', team: null, jti: null, kid: null, iatSec: 2 }
  t.equal(new RevocationIndex(all).find(mallory), 'late')
  t.equal(new RevocationIndex(all.reverse()).find(mallory), 'late')
  t.equal(new RevocationIndex([]).find(mallory), null)
})
