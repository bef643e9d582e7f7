import fc from 'fast-check'
import t from 'tap'
import { RevocationList } from '../../src/authenticate/revocation-list.ts'
import { revocation } from '../helpers/revocations.ts'

const log = { error() {} }
const never = () => false

t.test(
  'lists of several gates come to the same, in whatever order they are put together; what is lifted stays so',
  async t => {
    const one = fc
      .record({ id: fc.constantFrom('a', 'b', 'c'), isLifted: fc.boolean() })
      .map(({ id, isLifted }) => revocation({ id, liftedAtMs: isLifted ? 5 : null }))
    fc.assert(
      fc.property(fc.array(fc.array(one, { maxLength: 3 }), { maxLength: 4 }), lists => {
        const together = (order: (typeof lists)[number][]) => {
          const list = new RevocationList(null, log)
          for (const all of order) for (const each of all) list.merge([each], never)
          return JSON.stringify([
            list.ids().toSorted(),
            list
              .inForce()
              .map(({ id }) => id)
              .toSorted()
          ])
        }
        return together(lists) === together(lists.toReversed())
      })
    )
    t.pass()
  }
)

t.test('it says what another list lacks, and forgets what has ended', async t => {
  const list = new RevocationList(null, log)
  list.put(revocation({ id: 'a' }))
  list.put(revocation({ id: 'b', liftedAtMs: 1 }))
  const { isChanged, missing } = list.merge([revocation({ id: 'b' }), revocation({ id: 'c' })], never)
  t.strictSame([isChanged, missing], [true, ['a', 'b']])
  t.equal(list.merge([revocation({ id: 'd' })], () => true).isChanged, false, 'what has ended is not taken')
  t.equal(
    list.sweep(({ id }) => id === 'a'),
    true
  )
  t.strictSame(list.ids(), ['b', 'c'])
  t.equal(list.sweep(never), false)
})

t.test('a place that takes no file is refused at the start', async t => {
  t.throws(() => new RevocationList('/proc/nowhere/kept.json', log), { message: /cannot be kept/ })
})
