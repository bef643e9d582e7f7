import fc from 'fast-check'
import t from 'tap'
import { BodyBudget } from '../../src/inspect/body-budget.ts'

const KIB = 1024
const MIB = 1024 ** 2

t.test('bodies take a quarter of the memory together; the one that asks for more gets none', async t => {
  const budget = new BodyBudget(() => 40 * MIB)
  const [first, second] = [budget.open(), budget.open()]
  t.ok(first.add(6 * MIB))
  t.ok(second.add(4 * MIB))
  t.notOk(second.add(1))
  second.release()
  t.equal(budget.heldBytes, 6 * MIB)
  t.ok(budget.open().add(4 * MIB), 'what was held has become free')
})

t.test('a short body is let in whatever long ones take', async t => {
  const budget = new BodyBudget(() => 4 * MIB)
  budget.open().add(5 * MIB)
  const short = budget.open()
  t.ok(short.add(64 * KIB))
  t.notOk(short.add(1))
})

t.test('the limit follows the memory', async t => {
  const memory = { bytes: 4 * MIB }
  const budget = new BodyBudget(() => memory.bytes)
  const hold = budget.open()
  t.notOk(hold.add(2 * MIB))
  memory.bytes = 40 * MIB
  t.ok(hold.add(1))
})

t.test('in whatever order bytes come and go, what is held is the sum of what is not released', async () => {
  const step = fc.record({ which: fc.nat(4), bytes: fc.nat(100 * KIB), isRelease: fc.boolean() })
  fc.assert(
    fc.property(fc.array(step), steps => {
      const budget = new BodyBudget(() => MIB)
      const holds = Array.from({ length: 5 }, () => budget.open())
      const sums: (number | null)[] = [0, 0, 0, 0, 0]
      for (const { which, bytes, isRelease } of steps) {
        const sum = sums[which] ?? null
        if (isRelease) {
          holds[which]?.release()
          sums[which] = null
        } else {
          const isIn = holds[which]?.add(bytes)
          if (sum === null) {
            if (isIn !== false) return false
            continue
          }
          sums[which] = sum + bytes
          const total = sums.reduce<number>((all, one) => all + (one ?? 0), 0)
          if (isIn !== (sum + bytes <= 64 * KIB || total <= MIB / 4)) return false
        }
        if (budget.heldBytes !== sums.reduce<number>((all, one) => all + (one ?? 0), 0)) return false
      }
      return true
    })
  )
})
