import fc from 'fast-check'
import t from 'tap'
import { Queue } from '../../src/route/queue.ts'

const queue = (size: number, timeoutMs = 60_000) => new Queue<string, string>({ size, timeoutMs }, 'p')
const never = () => {}

t.test('first come, first served, as far as there are places', async t => {
  const q = queue(10)
  const got: string[] = []
  for (const name of ['a', 'b', 'c']) q.wait(name, never).then(place => got.push(place))
  let places = 2
  q.admit(name => (places-- > 0 ? `place of ${name}` : null))
  await Promise.resolve()
  t.strictSame(got, ['place of a', 'place of b'])
  t.equal(q.size, 1)
  q.admit(name => `place of ${name}`)
  await Promise.resolve()
  t.equal(got.at(-1), 'place of c')
  t.equal(q.size, 0)
})

t.test('too many are refused at once, and one that waits too long is told so', async t => {
  const q = queue(1, 20)
  const first = q.wait('a', never)
  await t.rejects(q.wait('b', never), { code: 'TOLLGATE_ROUTE_FULL' })
  await t.rejects(first, { code: 'TOLLGATE_ROUTE_LATE' })
  t.equal(q.size, 0)
  q.admit(() => {
    throw new Error('nobody waits')
  })
})

t.test('a caller who leaves makes room at once, and gets nothing', async t => {
  const q = queue(1)
  let leave = () => {}
  q.wait('a', goes => {
    leave = goes
  })
  leave()
  leave()
  t.equal(q.size, 0)
  const second = q.wait('b', never)
  q.admit(name => name)
  t.equal(await second, 'b')
})

t.test('what cannot be given is told to the one who asked for it, and the next is served', async t => {
  const q = queue(5)
  const [a, b] = [q.wait('a', never), q.wait('b', never)]
  q.admit(name => {
    if (name === 'a') throw new Error('not for a')
    return name
  })
  await t.rejects(a, /not for a/)
  t.equal(await b, 'b')
})

t.test('whatever comes, leaves and is admitted: a plain list says the same', async _t => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(fc.constant('come'), fc.constant('admit'), fc.nat(30)), { maxLength: 200 }),
      async steps => {
        const q = queue(20)
        let model: string[] = []
        const leaves = new Map<string, () => void>()
        const [given, expected]: [string[], string[]] = [[], []]
        let count = 0
        for (const step of steps) {
          if (step === 'come') {
            const name = `n${count++}`
            if (model.length < 20) model.push(name)
            q.wait(name, leave => leaves.set(name, leave)).then(
              place => given.push(place),
              () => {}
            )
          } else if (step === 'admit') {
            const first = model.shift()
            if (first !== undefined) expected.push(first)
            const places = [1]
            q.admit(name => (places.pop() === undefined ? null : name))
          } else {
            const name = `n${step}`
            model = model.filter(other => other !== name)
            leaves.get(name)?.()
          }
          if (q.size !== model.length) return false
        }
        for (const leave of leaves.values()) leave()
        await Promise.resolve()
        return given.join() === expected.join()
      }
    )
  )
})

t.test('a million that came and went leave nothing behind', async t => {
  const q = queue(10)
  for (let i = 0; i < 100_000; i++) {
    q.wait('x', never)
    q.admit(name => name)
  }
  t.equal(q.size, 0)
})
