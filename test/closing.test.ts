import t from 'tap'
import { endAll } from '../src/closing.ts'

const scene = () => {
  const said: object[] = []
  return { said, log: { error: (facts: object, message: string) => void said.push({ ...facts, message }) } }
}

t.test('the end waits for all that end, at once, and has nothing to say of them', async t => {
  const { said, log } = scene()
  const ended: string[] = []
  const step = (name: string, ms: number) => ({
    close: () => new Promise<void>(resolve => setTimeout(() => resolve(void ended.push(name)), ms))
  })
  await endAll({ slow: step('slow', 20), quick: step('quick', 1), none: null }, { withinMs: 60_000, log })
  t.strictSame(ended, ['quick', 'slow'])
  t.strictSame(said, [])
})

t.test('what never ends, or fails, keeps nothing else from its end, and the operator is told its name', async t => {
  const { said, log } = scene()
  let isEnded = false
  await endAll(
    {
      ledger: { close: () => new Promise(() => {}) },
      store: { close: () => Promise.reject(new Error('gone')) },
      broken: {
        close: () => {
          throw new TypeError('no')
        }
      },
      sinks: {
        async close() {
          isEnded = true
        }
      }
    },
    { withinMs: 20, log }
  )
  t.ok(isEnded)
  t.match(said.map(line => JSON.stringify(line)).sort(), [
    /"step":"broken".*shutdown step failed/,
    /"step":"ledger","withinMs":20.*abandoned/,
    /"step":"store".*failed/
  ])
})
