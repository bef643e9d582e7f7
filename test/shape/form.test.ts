import fc from 'fast-check'
import t from 'tap'
import type { Form } from '../../src/exchange.ts'
import { readForm } from '../../src/inspect/form.ts'
import { formContentType, newBoundary, writeForm } from '../../src/shape/form.ts'

const written = async (filename: string, type = 'audio/wav') => {
  const bytes = Buffer.from('RIFF')
  const form: Form = { fields: new Map(), file: { name: 'file', filename, type, bytes } }
  return (await readForm(writeForm(form, 'b'), formContentType('b'))).file
}

t.test('a file goes on under a name without a path, in plain letters, its extension kept', async t => {
  for (const [asked, sent] of [
    ['a.wav', 'a.wav'],
    ['../../etc/passwd', 'passwd'],
    ['..\\..\\x.mp3', 'x.mp3'],
    ['/tmp/', 'file'],
    ['', 'file'],
    ['.', 'file'],
    ['..', 'file'],
    ['...', 'file'],
    ['.wav', 'file.wav'],
    ['..wav', 'file.wav'],
    ['-i.wav', 'i.wav'],
    ['a.', 'a'],
    ['.bash_history', 'file.bash_history'],
    ['a b"\r\nX: 1.ogg', 'a_b___X__1.ogg'],
    ['é😀.flac', '__.flac'],
    ['x\0.wav', 'x_.wav'],
    [`${'x'.repeat(300)}.m4a`, `${'x'.repeat(96)}.m4a`],
    [`x.${'y'.repeat(300)}`, `x.${'y'.repeat(16)}`]
  ] as const) {
    t.equal((await written(asked))?.filename, sent, JSON.stringify(asked))
  }
})

t.test('whatever a file is called, it goes on under a safe name, which stays as it is the next time', async t => {
  const letter = fc.constantFrom('.', '/', '\\', '-', 'a', '"', '\r', '\n', ';', '\0', 'é', '.wav', 'x'.repeat(60))
  const name = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(letter, { maxLength: 8 }).map(l => l.join(''))
  )
  await fc.assert(
    fc.asyncProperty(name, async asked => {
      const sent = (await written(asked))?.filename ?? ''
      return /^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$/.test(sent) && (await written(sent))?.filename === sent
    }),
    { numRuns: 300 }
  )
  t.pass()
})

t.test('a file goes on as sound, as film, or as bytes', async t => {
  for (const type of ['audio/wav', 'video/mp4', 'audio/x-m4a', 'audio/vnd.wave']) {
    t.equal((await written('a.wav', type))?.type, type)
  }
  for (const type of ['', 'text/html', 'image/png', 'audio/', 'AUDIO/WAV', 'audio/wav; x=1', 'audio/wav\r\nX: 1']) {
    t.equal((await written('a.wav', type))?.type, 'application/octet-stream', JSON.stringify(type))
  }
})

t.test('nothing is written that could be read in another way', async t => {
  const bytes = Buffer.from('x\r\n--b\r\n')
  const withFile: Form = { fields: new Map(), file: { name: 'file', filename: 'a.wav', type: 'audio/wav', bytes } }
  t.throws(() => writeForm(withFile, 'b'), TypeError)
  t.throws(() => writeForm({ fields: new Map([['prompt', ['--b--']]]), file: null }, 'b'), TypeError)
  t.throws(() => writeForm({ fields: new Map([['a"; x="', ['']]]), file: null }, 'b'), TypeError)
  t.doesNotThrow(() => writeForm(withFile, newBoundary()))
})

t.test('a boundary is new every time', async t => {
  t.equal(new Set(Array.from({ length: 100 }, newBoundary)).size, 100)
  t.match(newBoundary(), /^tollgate-[0-9a-f]{32}$/)
})
