import t from 'tap'
import { Breaker } from '../../src/limit/breaker.ts'
import { createClock } from '../helpers/clock.ts'

function scene() {
  const clock = createClock(0)
  const changes: boolean[] = []
  return { clock, changes, breaker: new Breaker(clock.nowMs, isOpen => changes.push(isOpen)) }
}

t.test('five failures within a second end the asking, and it is told once', async t => {
  const { breaker, changes } = scene()
  for (let i = 0; i < 4; i++) breaker.failed()
  t.equal(breaker.isOpen, false)
  for (let i = 0; i < 10; i++) breaker.failed()
  t.equal(breaker.isOpen, true)
  t.strictSame(changes, [true])
})

t.test('failures that are far between end nothing', async t => {
  const { breaker, clock } = scene()
  for (let i = 0; i < 50; i++) {
    breaker.failed()
    clock.advance(260)
  }
  t.equal(breaker.isOpen, false)
})

t.test('a probe that succeeds begins it anew, and old failures are forgotten', async t => {
  const { breaker, changes } = scene()
  for (let i = 0; i < 5; i++) breaker.failed()
  breaker.mended()
  breaker.mended()
  for (let i = 0; i < 4; i++) breaker.failed()
  t.equal(breaker.isOpen, false)
  t.strictSame(changes, [true, false])
})
