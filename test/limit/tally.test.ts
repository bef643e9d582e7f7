import t from 'tap'
import type { Policy } from '../../src/limit/policies.ts'
import { Tally } from '../../src/limit/tally.ts'
import { rate } from '../helpers/draws.ts'

const policy = (name: string): Policy => ({ ...rate(name, 10), name, scope: 'team', model: null, words: '' })

t.test(
  'a call that is let through counts at every limit that it met, and is near one that has less than a fifth left',
  async t => {
    const tally = new Tally()
    const [a, b, c] = [policy('a'), policy('b'), policy('c')]
    tally.admitted([a, b, c], [8, 8.1, 30], [c])
    tally.admitted([a, b, c], null, [])
    t.strictSame(
      [...tally.all()].map(({ policy: name, counts }) => [name, counts]),
      [
        ['a', { allow: 2, near: 0, deny: 0, shadow_deny: 0 }],
        ['b', { allow: 1, near: 1, deny: 0, shadow_deny: 0 }],
        ['c', { allow: 1, near: 0, deny: 0, shadow_deny: 1 }]
      ]
    )
  }
)

t.test('a call that is refused counts at the limit that refused it, and at shadows that would have', async t => {
  const tally = new Tally()
  tally.refused(policy('a'), [policy('b')])
  // The same limit of somebody else.
  tally.refused({ ...policy('a'), key: 'other' }, [])
  t.match(
    [...tally.all()],
    [
      { policy: 'a', scope: 'team', resource: 'tokens', counts: { allow: 0, deny: 2 } },
      { policy: 'b', counts: { shadow_deny: 1, deny: 0 } }
    ]
  )
})
