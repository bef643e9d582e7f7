import { EventEmitter } from 'node:events'
import { Readable } from 'node:stream'
import t from 'tap'
import { askPassword } from '../../src/mint/ask-password.ts'

/** A terminal at which somebody types when it is asked to be quiet. */
function terminal(...typed: readonly string[]) {
  const left = [...typed]
  const raw: boolean[] = []
  const input = Object.assign(new EventEmitter(), {
    isTTY: true,
    setRawMode(isRaw: boolean) {
      raw.push(isRaw)
      if (isRaw) for (const piece of left.shift() ?? '\u0004') setImmediate(() => input.emit('data', piece))
    },
    setEncoding: () => {},
    resume: () => {},
    pause: () => {}
  })
  return { input, raw }
}

t.test('at a terminal it is typed twice, and nothing of it is shown', async t => {
  const { input, raw } = terminal('secreX\u007ft\r', 'secret\r')
  let said = ''
  t.equal(
    await askPassword(input, text => {
      said += text
    }),
    'secret'
  )
  t.equal(said, 'Password: \nOnce more: \n')
  t.strictSame(raw, [true, false, true, false], 'the terminal is left as it was')
})

t.test('two that differ, an empty one, and Ctrl-C are none', async t => {
  for (const typed of [['one\r', 'two\r'], ['\r'], ['half\u0003'], ['one\r', '\u0004']]) {
    t.equal(await askPassword(terminal(...typed).input, () => {}), null)
  }
})

t.test('from a pipe it is the first line', async t => {
  for (const [text, password] of [
    ['secret\n', 'secret'],
    ['secret', 'secret'],
    ['se cret\r\nmore\n', 'se cret'],
    ['\n', null],
    ['', null]
  ] as const) {
    t.equal(await askPassword(Readable.from([text]), () => {}), password)
  }
})
