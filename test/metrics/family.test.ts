import fc from 'fast-check'
import t from 'tap'
import { Family, OTHER } from '../../src/metrics/family.ts'

interface Series {
  readonly values: readonly string[]
  value: number
}

function familyOf(max: number) {
  const folded = { count: 0 }
  const family = new Family<readonly [string, string], Series>({
    max,
    make: values => ({ values, value: 0 }),
    onFolded: () => {
      folded.count++
    }
  })
  return { family, folded }
}

t.test('the same values are the same series, whatever stands in them', async t => {
  const { family } = familyOf(10)
  family.at('a|b', 'c').value++
  family.at('a', 'b|c').value++
  family.at('a|b', 'c').value++
  t.strictSame(
    [...family.all()].map(({ values, value }) => [...values, value]),
    [
      ['a|b', 'c', 2],
      ['a', 'b|c', 1]
    ]
  )
})

t.test(
  'whatever is counted: never more series than there may be, nothing is lost, and what was folded is known',
  async () => {
    const name = fc.stringMatching(/^[a-e]$/)
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 8 }),
        fc.array(fc.tuple(name, name, fc.constantFrom('count', 'expect', 'retain')), { maxLength: 200 }),
        async (max, steps) => {
          const { family, folded } = familyOf(max)
          let counted = 0
          let lost = 0
          for (const [a, b, what] of steps) {
            const before = folded.count
            if (what === 'count') {
              const series = family.at(a, b)
              series.value++
              counted++
              const isOther = series.values.every(value => value === OTHER)
              if (!isOther && series.values.join() !== `${a},${b}`) throw new Error('another series')
              if (isOther !== folded.count > before) throw new Error('a fold that nobody was told of')
            } else if (what === 'expect') {
              family.expect(a, b)
              if (folded.count !== before) throw new Error('what is expected folds nothing')
            } else {
              for (const { values, value } of family.all()) if (values[0] === a && values[1] !== OTHER) lost += value
              family.retain(([first]) => first !== a)
            }
            const all = [...family.all()]
            if (all.length > max || all.length !== family.size) throw new Error(`${all.length} series of ${max}`)
            const sum = all.reduce((total, { value }) => total + value, 0)
            if (sum + lost !== counted) throw new Error(`${sum} and ${lost} of ${counted}`)
          }
        }
      )
    )
  }
)

t.test('what is forgotten makes room, and begins at 0 when it comes again', async t => {
  const { family } = familyOf(2)
  family.at('a', 'x').value = 5
  family.at('b', 'x').value = 7
  family.retain(([first]) => first !== 'a')
  t.strictSame(
    [...family.all()].map(({ values }) => values[0]),
    [OTHER]
  )
  t.equal(family.at('b', 'x').values[0], 'b')
  t.equal(family.at('a', 'x').values[0], OTHER)
  family.clear()
  t.strictSame([...family.all()], [])
  t.equal(family.at('a', 'x').value, 0)
})

t.test('a metric without labels has its one series', async t => {
  const family = new Family<readonly [], { value: number }>({
    max: 1,
    make: () => ({ value: 0 }),
    onFolded: () => t.fail('there is room for one')
  })
  family.at().value++
  t.equal(family.at().value, 1)
  t.equal(family.size, 1)
})
