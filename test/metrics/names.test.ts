import fc from 'fast-check'
import t from 'tap'
import { OTHER } from '../../src/metrics/family.ts'
import { Names, NONE } from '../../src/metrics/names.ts'

t.test('a name is a label when it is one of ours, else other; nothing is none', async t => {
  const names = new Names({ isKnown: name => name === 'ours', max: 10 })
  t.equal(names.label('ours'), 'ours')
  t.equal(names.label('theirs'), OTHER)
  t.equal(names.label(null), NONE)
  t.equal(names.label(undefined), NONE)
})

t.test('a name that is gone is other from the next look on, and makes room', async t => {
  const known = new Set(['a', 'b'])
  const names = new Names({ isKnown: name => known.has(name), max: 1 })
  t.equal(names.label('a'), 'a')
  t.equal(names.label('b'), OTHER)
  known.delete('a')
  names.refresh()
  t.equal(names.isLabel('a'), false)
  t.equal(names.label('a'), OTHER)
  t.equal(names.label('b'), 'b')
})

t.test('whatever is asked for, there are never more labels than there may be, and none that nobody knows', async () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 5 }),
      fc.array(fc.string({ maxLength: 3 }), { maxLength: 200 }),
      (max, asked) => {
        const names = new Names({ isKnown: name => name.length < 3, max })
        const labels = new Set(asked.map(name => names.label(name)))
        labels.delete(OTHER)
        return labels.size <= max && [...labels].every(label => label.length < 3)
      }
    )
  )
})

t.test('the names that have come can be gone through, and no others', async t => {
  const names = new Names({ isKnown: name => name !== 'unknown', max: 2 })
  for (const name of ['a', 'unknown', 'b', 'too-many', null]) names.label(name)
  t.strictSame([...names.all()], ['a', 'b'])
})
