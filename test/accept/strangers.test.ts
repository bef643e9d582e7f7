import fc from 'fast-check'
import t from 'tap'
import { Strangers } from '../../src/accept/strangers.ts'

const MOST = 128
const GRACE_MS = 1_000

t.test('an address with many silent connections loses those that have waited longest, and no other address does', t => {
  const strangers = new Strangers<{ sinceMs: number; name: string }>()
  for (let n = 0; n < 200; n++) strangers.add('many', { sinceMs: n, name: `${n}` })
  for (let n = 0; n < MOST; n++) strangers.add('few', { sinceMs: 0, name: 'few' })
  t.strictSame([...strangers.overdue(GRACE_MS - 1)], [], 'all of them may just have come')
  const gone: string[] = []
  for (const stranger of strangers.overdue(GRACE_MS + 9)) {
    gone.push(stranger.name)
    strangers.delete('many', stranger)
  }
  t.strictSame(
    gone,
    Array.from({ length: 10 }, (_, n) => `${n}`)
  )
  for (const stranger of strangers.overdue(10 * GRACE_MS)) {
    gone.push(stranger.name)
    strangers.delete('many', stranger)
  }
  t.equal(gone.length, 200 - MOST)
  t.end()
})

t.test('of whatever comes and goes, what is left of an address is never more than may be silent', t => {
  const action = fc.record({ address: fc.constantFrom('a', 'b'), leaves: fc.nat(3), stepMs: fc.nat(40) })
  fc.assert(
    fc.property(fc.array(action, { minLength: 300, maxLength: 900 }), actions => {
      const strangers = new Strangers<{ sinceMs: number; address: string }>()
      const open = new Set<{ sinceMs: number; address: string }>()
      let nowMs = 0
      for (const { address, leaves, stepMs } of actions) {
        nowMs += stepMs
        const stranger = { sinceMs: nowMs, address }
        open.add(stranger)
        strangers.add(address, stranger)
        if (leaves === 0) {
          open.delete(stranger)
          strangers.delete(address, stranger)
        }
      }
      for (const stranger of strangers.overdue(nowMs + GRACE_MS)) {
        strangers.delete(stranger.address, stranger)
        if (!open.delete(stranger)) return false
      }
      return ['a', 'b'].every(address => [...open].filter(one => one.address === address).length <= MOST)
    })
  )
  t.end()
})
