import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import t from 'tap'
import { csvCell, printable, printableJson, printableLines } from '../src/printable.ts'

/** What a terminal obeys, what turns text round, and what some readers take for the end of a line. */
const OBEYED = /[\p{C}\p{Zl}\p{Zp}]/u
const ODD = ['\u0007', '\u001b[2J', '\r\n', '\u007f', '\u009b31m', '\u00ad', '\u200f', '\u202e', '\u2028', '\u2029']
const text = fc
  .array(fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom(...ODD, '\u{e0001}', 'é', '🙂')))
  .map(parts => parts.join(''))

t.test('nothing that a terminal obeys is left of any text, and what is left is told apart', async t => {
  fc.assert(
    fc.property(text, raw => {
      return (
        !OBEYED.test(printable(raw)) &&
        !OBEYED.test(printableLines(raw).replaceAll('\n', '')) &&
        !OBEYED.test(csvCell(raw))
      )
    })
  )
  t.equal(printable('a\u001b[31m\r\nb\u0085\u202e'), 'a\\u001b[31m\\u000d\\u000ab\\u0085\\u202e')
  t.equal(printable('\u{e0001}'), '\\udb40\\udc01', 'two units beyond the basic plane, as JSON has them')
  t.equal(printable('Zoë 🙂 東京'), 'Zoë 🙂 東京', 'letters stay')
  t.equal(printableLines('a\r\nb\n'), 'a\\u000d\nb\n')
})

t.test('a line of JSON says the same as before, and no program takes it for two lines', async t => {
  fc.assert(
    fc.property(text, text, (key, value) => {
      const facts = { [key]: value, more: [value] }
      const line = printableJson(JSON.stringify(facts))
      t.strictSame(JSON.parse(line), JSON.parse(JSON.stringify(facts)))
      return !OBEYED.test(line) && !OBEYED.test(printableJson(JSON.stringify(facts, null, 2)).replaceAll('\n', ''))
    })
  )
})

t.test('a cell of CSV is no formula to a spreadsheet, whatever stands before the sign', async t => {
  for (const formula of ['=1+1', '+1', '-1', '@A1', ' =1', '\t=1', '\u200b=1', '\uff1d1']) {
    t.match(csvCell(formula), /^"'/, JSON.stringify(formula))
  }
  t.equal(csvCell('a,"b"'), '"a,""b"""')
  t.equal(csvCell('qwen-3'), 'qwen-3')
})

t.test("the operator's log escapes what somebody else chose", async t => {
  const log = fileURLToPath(new URL('../src/log.ts', import.meta.url))
  const said = String.raw`a\u009b2Jb\u202ec\u2028d\u007f`
  const script = `import { openLog } from '${log}'; openLog().log.child({ who: "${said}" }).warn({ team: "${said}" }, "${said}")`
  const { stderr } = spawnSync(process.execPath, ['--input-type=module-typescript', '-e', script], { encoding: 'utf8' })
  t.match(JSON.parse(stderr), {
    who: JSON.parse(`"${said}"`),
    team: JSON.parse(`"${said}"`),
    msg: JSON.parse(`"${said}"`)
  })
  t.notMatch(stderr.trimEnd(), OBEYED)
})
