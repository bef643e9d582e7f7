import fc from 'fast-check'
import OpenAI, { toFile } from 'openai'
import t from 'tap'
import { GateError } from '../../src/errors.ts'
import type { Form } from '../../src/exchange.ts'
import { MAX_FIELD_BYTES, MAX_FIELDS, readForm } from '../../src/inspect/form.ts'
import { formContentType, newBoundary, writeForm } from '../../src/shape/form.ts'

const FORM = { code: 'TOLLGATE_INSPECT_FORM' }
const TYPE = formContentType('b')
const why = (text: string) => ({ ...FORM, detail: { why: text } })

const field = (name: string, value: string, head = '') =>
  `--b\r\nContent-Disposition: form-data; name="${name}"\r\n${head}\r\n${value}\r\n`
const file = (filename: string, bytes = 'RIFF', head = 'Content-Type: audio/wav\r\n') =>
  `--b\r\nContent-Disposition: form-data; name="file"; filename="${filename}"\r\n${head}\r\n${bytes}\r\n`
const END = '--b--\r\n'
const read = (text: string | Buffer, type = TYPE) => readForm(Buffer.from(text as string), type)
const plain = ({ fields, file }: Form) => ({
  fields: Object.fromEntries(fields),
  file: file && { ...file, bytes: file.bytes.toString('latin1') }
})

const value = fc
  .oneof(fc.string({ unit: 'binary' }), fc.constantFrom('', '\r\n', '\r\n--', '--b--', '\r\n--b\r\n', '\0', 'é', '"'))
  .filter(text => !text.startsWith('\ufeff'))
const anyForm: fc.Arbitrary<Form> = fc
  .record({
    fields: fc.uniqueArray(
      fc.oneof(
        fc.tuple(fc.stringMatching(/^[A-Za-z0-9_.-]{1,64}$/), fc.tuple(value)),
        fc.tuple(fc.stringMatching(/^[A-Za-z0-9_.-]{1,64}\[\]$/), fc.array(value, { minLength: 1, maxLength: 4 }))
      ),
      { selector: ([name]) => name, maxLength: 8 }
    ),
    file: fc.option(
      fc.record({
        name: fc.constant('file' as const),
        filename: fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_-]{0,30}\.[a-z0-9]{1,5}$/),
        type: fc.constantFrom('audio/wav', 'video/mp4', 'audio/x-m4a', 'application/octet-stream'),
        bytes: fc.uint8Array({ maxLength: 300 }).map(bytes => Buffer.from(bytes))
      })
    )
  })
  .map(({ fields, file }) => ({
    fields: new Map(fields.filter(([name]) => file === null || name !== 'file')),
    file
  }))

t.test('whatever form is written is read back the same', async t => {
  await fc.assert(
    fc.asyncProperty(anyForm, async form => {
      const boundary = newBoundary()
      const again = await readForm(writeForm(form, boundary), formContentType(boundary))
      // As text: a field may be called __proto__.
      t.equal(JSON.stringify(plain(again)), JSON.stringify(plain(form)))
      t.strictSame([...again.fields.keys()], [...form.fields.keys()])
    }),
    { numRuns: 200 }
  )
})

t.test('another reader finds the same fields and the same bytes in what is written', async t => {
  await fc.assert(
    fc.asyncProperty(anyForm, async form => {
      const boundary = newBoundary()
      const headers = { 'content-type': formContentType(boundary) }
      const data = await new Response(new Uint8Array(writeForm(form, boundary)), { headers }).formData()
      const { file } = form
      const seen = data.get('file')
      if (file !== null) {
        if (!(seen instanceof File)) return t.fail('the file is no file')
        t.equal(seen.name, file.filename)
        t.equal(seen.type, file.type)
        t.strictSame(Buffer.from(await seen.arrayBuffer()), file.bytes)
        data.delete('file')
      }
      t.strictSame([...new Set(data.keys())], [...form.fields.keys()])
      for (const [name, values] of form.fields) t.strictSame(data.getAll(name), values)
    }),
    { numRuns: 200 }
  )
})

t.test('a form of the fetch standard is read right, with a large file too', async t => {
  for (const size of [0, 1, 65_535, 65_536, 5_000_000]) {
    const bytes = Buffer.alloc(size, '\r\n--b')
    const data = new FormData()
    data.append('model', 'whisper-1')
    data.append('file', new File([bytes], 'häß "x".wav', { type: 'audio/wav' }))
    data.append('prompt', 'zwei\r\nZeilen, ünïcödé')
    data.append('timestamp_granularities[]', 'word')
    data.append('timestamp_granularities[]', 'segment')
    const request = new Request('http://gate.test/', { method: 'POST', body: data })
    const form = await readForm(Buffer.from(await request.arrayBuffer()), request.headers.get('content-type') ?? '')
    t.strictSame(Object.fromEntries(form.fields), {
      model: ['whisper-1'],
      prompt: ['zwei\r\nZeilen, ünïcödé'],
      'timestamp_granularities[]': ['word', 'segment']
    })
    t.equal(form.file?.type, 'audio/wav')
    t.ok(form.file?.bytes.equals(bytes))
  }
})

t.test("what OpenAI's library sends is read right, and what is made of it is no other call", async t => {
  let form: Form | undefined
  const client = new OpenAI({
    apiKey: 'k',
    baseURL: 'http://gate.test/v1',
    fetch: async (url, init) => {
      const request = new Request(url, init)
      form = await readForm(Buffer.from(await request.arrayBuffer()), request.headers.get('content-type') ?? '')
      return Response.json({ text: '' })
    }
  })
  await client.audio.transcriptions.create({
    model: 'whisper-1',
    file: await toFile(Buffer.from([0, 255, 13, 10]), 'a.mp3', { type: 'audio/mpeg' }),
    timestamp_granularities: ['word', 'segment'],
    response_format: 'verbose_json'
  })
  t.match(form && plain(form), {
    fields: { model: ['whisper-1'], 'timestamp_granularities[]': ['word', 'segment'] },
    file: { name: 'file', filename: 'a.mp3', type: 'audio/mpeg', bytes: '\0\xff\r\n' }
  })
})

t.test('heads are read as their writers write them', async t => {
  const part = (head: string, content: string) => `--b\r\n${head}\r\n\r\n${content}\r\n`
  const text = [
    part('content-disposition:form-data;name=model', 'm'),
    part('Content-Type: text/plain; charset="UTF-8"\r\nContent-Disposition: form-data; name=language', 'é'),
    part('Content-Disposition: form-data; name="stream"\r\nContent-Transfer-Encoding: 8BIT \r\nX-More: 1', 'true'),
    part(
      "Content-Disposition: form-data; name=file; filename*=utf-8''%C3%A9.webm\r\ncontent-type: audio/WebM;codecs=opus",
      ''
    )
  ]
  t.strictSame(plain(await read(`${text.join('')}--b--`)), {
    fields: { model: ['m'], language: ['é'], stream: ['true'] },
    file: { name: 'file', filename: 'é.webm', type: 'audio/webm', bytes: '' }
  })
})

t.test('a part without a file name is a field, whatever its type', async t => {
  const form = await read(field('model', 'm', 'Content-Type: application/octet-stream\r\n') + END)
  t.strictSame(plain(form), { fields: { model: ['m'] }, file: null })
})

t.test('a form without parts is empty', async t => {
  t.strictSame(plain(await read(END)), { fields: {}, file: null })
})

t.test('a form needs exactly one boundary that may be one', async t => {
  const body = field('model', 'm') + END
  for (const good of [
    'multipart/form-data; boundary=b',
    'Multipart/Form-Data;BOUNDARY="b"',
    'multipart/form-data; charset=utf-8; boundary=b'
  ]) {
    t.equal((await read(body, good)).fields.size, 1, good)
  }
  for (const bad of [
    '',
    'multipart/form-data',
    'multipart/form-data; boundary=',
    'multipart/form-data; boundary=""',
    'multipart/form-data; boundary="b',
    'multipart/form-data; boundary=b; boundary=b',
    'multipart/form-data; boundary=b; boundary=c',
    'multipart/form-data; boundary=b; charset=utf-16',
    'multipart/form-data; boundary=b; other=1',
    'multipart/form-data; boundary=b, multipart/form-data; boundary=c',
    "multipart/form-data; boundary*=utf-8''b",
    'multipart/form-data; boundary=é',
    'multipart/form-data; boundary="b "',
    'multipart/form-datax; boundary=b',
    'multipart/mixed; boundary=b',
    'application/x-www-form-urlencoded; boundary=b'
  ]) {
    await t.rejects(read(body, bad), FORM, bad)
  }
  const long = 'x'.repeat(70)
  t.equal((await read(`--${long}--`, formContentType(long))).fields.size, 0)
  await t.rejects(read(`--${long}x--`, formContentType(`${long}x`)), why('boundary'))
  await t.rejects(read(body, formContentType('c')), why('does not begin with the boundary'))
})

t.test('no part of a form is a form', async t => {
  const whole = field('model', 'm') + file('a.wav', '\r\n--\r\n--c\n') + field('prompt', '') + END
  const { length } = whole
  t.equal((await read(whole)).fields.size, 2)
  for (let end = 0; end < length; end++) {
    // The last line end may be missing, but not half of it.
    if (end === length - 2) continue
    await t.rejects(read(whole.slice(0, end)), FORM, `${end} of ${length}`)
  }
})

t.test('nothing may stand before the first boundary, after the last, or behind one on its line', async t => {
  const part = field('model', 'm')
  t.equal((await read(`${part}--b--`)).fields.size, 1)
  for (const after of ['\n', '\r', ' ', '\r\n\r\n', 'x', '\r\nx', '-', part, `\r\n${part}${END}`]) {
    await t.rejects(read(`${part}--b--${after}`), why('goes on after its end'), JSON.stringify(after))
  }
  for (const before of ['\r\n', ' ', 'preamble\r\n']) {
    await t.rejects(read(before + part + END), why('does not begin with the boundary'), JSON.stringify(before))
  }
  for (const behind of [' ', 'x', '-', '\n']) {
    const line = why('a boundary that is no line of its own')
    await t.rejects(read(part.replace('--b', `--b${behind}`) + END), line, JSON.stringify(behind))
    await t.rejects(read(part + part.replace('--b', `--b${behind}`) + END), line, JSON.stringify(behind))
  }
  await t.rejects(read(`--b\r\n--b\r\n${part}${END}`), FORM)
  await t.rejects(read(`--x:y\r\n${part.replace('--b', '--x:y')}--x:y--`, formContentType('x:y')), FORM)
})

t.test('every part has a name', async t => {
  const nameless = why('a part without a name')
  for (const disposition of [
    'form-data',
    'form-data; filename="a.wav"',
    'attachment; name="model"',
    'form-data; name'
  ]) {
    await t.rejects(read(`--b\r\nContent-Disposition: ${disposition}\r\n\r\nm\r\n${END}`), nameless, disposition)
  }
  await t.rejects(read(`--b\r\nContent-Type: text/plain\r\n\r\nm\r\n${END}`), nameless)
  await t.rejects(read(`${field('model', 'm')}--b\r\nContent-Disposition: inline\r\n\r\nm\r\n${END}`), nameless)
})

t.test('heads that are broken, endless, or say a thing twice are refused', async t => {
  const disposition = 'Content-Disposition: form-data; name="model"'
  for (const head of [
    '',
    '\r\n',
    'x',
    ': x',
    `${disposition}\r\n folded: 1`,
    `${disposition}\r\nbroken`,
    `${disposition}\nX: 1`,
    `${disposition}\rX: 1`,
    `${disposition}\0`,
    `Content-Disposition : form-data; name="model"`,
    `${disposition}\r\ncontent-disposition: form-data; name="other"`,
    `${disposition}\r\nX: ${'x'.repeat(4096)}`
  ]) {
    await t.rejects(read(`--b\r\n${head}\r\n\r\nm\r\n${END}`), FORM, JSON.stringify(head.slice(0, 80)))
  }
  await t.rejects(read(`--b\r\n${disposition}\r\n${END}`), why('a part without a head'))
  await t.rejects(read(`--b\r\n${disposition}\r\n\r\n${END}`), FORM)
})

t.test('there is one file, and it is called file', async t => {
  await t.rejects(read(file('a.wav') + file('b.wav') + END), why('more than one file'))
  for (const name of ['model', 'file[]', 'files']) {
    const other = file('a.wav').replace('name="file"', `name="${name}"`)
    await t.rejects(read(other + END), why('a file that is not called file'), name)
  }
})

t.test('a name may stand twice only when it ends with brackets', async t => {
  const twice = (param: string) => ({ code: 'TOLLGATE_INSPECT_DUPLICATE', detail: { param } })
  await t.rejects(read(field('model', 'a') + field('prompt', '') + field('model', 'a') + END), twice('model'))
  await t.rejects(read(field('file', 'a') + file('a.wav') + END), twice('file'))
  await t.rejects(read(file('a.wav') + field('file', 'a') + END), twice('file'))
  t.strictSame(plain(await read(field('a[]', '1') + field('b', '2') + field('a[]', '3') + END)), {
    fields: { 'a[]': ['1', '3'], b: ['2'] },
    file: null
  })
})

t.test('names are plain', async t => {
  for (const name of ['', ' model', 'model ', 'mödel', 'a b', 'a[0]', 'a[][]', '[]', 'a%0d', 'x'.repeat(65), 'a/b']) {
    await t.rejects(read(field(name, 'm') + END), why('a name that is not plain'), name)
  }
  t.equal((await read(field('__proto__', 'm') + field('constructor', 'm') + END)).fields.size, 2)
  t.equal((await read(field(`${'x'.repeat(64)}[]`, 'm') + END)).fields.size, 1)
})

t.test('there are not too many fields', async t => {
  const fields = (count: number) => Array.from({ length: count }, (_, i) => field(`f${i}`, 'x')).join('')
  const lists = (count: number) => field('f[]', 'x').repeat(count)
  t.equal((await read(fields(MAX_FIELDS) + file('a.wav') + END)).fields.size, MAX_FIELDS)
  await t.rejects(read(fields(MAX_FIELDS + 1) + END), why('too many fields'))
  await t.rejects(read(lists(MAX_FIELDS + 1) + END), why('too many fields'))
  await t.rejects(read(fields(MAX_FIELDS + 1) + file('a.wav') + END), why('too many parts'))
  await t.rejects(read(lists(100_000) + END), why('too many parts'))
})

t.test('a field is not too long', async t => {
  const long = 'x'.repeat(MAX_FIELD_BYTES)
  t.equal((await read(field('prompt', long) + END)).fields.get('prompt')?.[0], long)
  await t.rejects(read(field('prompt', `${long}x`) + END), why('a field that is too long'))
})

t.test('fields are UTF-8 and nothing else', async t => {
  for (const bytes of [[0xff], [0xc3, 0x28], [0xed, 0xa0, 0x80], [0xc0, 0xaf], [0xc3]]) {
    const body = Buffer.from(field('model', 'XY') + END)
    const at = body.indexOf('XY')
    await t.rejects(
      read(Buffer.concat([body.subarray(0, at), Buffer.from(bytes), body.subarray(at + 2)])),
      why('no UTF-8')
    )
  }
  await t.rejects(read(field('model', '\ufeffm') + END), why('byte order mark'))
  t.strictSame((await read(field('model', '\ufffd\ufeff') + END)).fields.get('model'), ['\ufffd\ufeff'])
})

t.test('charsets other than UTF-8 are refused, on fields and on files', async t => {
  for (const type of [
    'text/plain; charset=iso-8859-1',
    'text/plain;charset="utf-16le"',
    'text/plain; charset=utf-8; charset=latin1',
    'text/plain; charset',
    "text/plain; charset*=utf-8''utf-16",
    'text/plain; charset=utf-8x'
  ]) {
    const head = `Content-Type: ${type}\r\n`
    await t.rejects(read(field('model', 'm', head) + END), why('charset'), type)
    await t.rejects(read(file('a.wav', 'x', head) + END), why('charset'), type)
  }
  for (const type of ['text/plain; charset=utf-8', 'text/plain;CHARSET="UTF8" ; format=flowed']) {
    t.equal((await read(field('model', 'm', `Content-Type: ${type}\r\n`) + END)).fields.size, 1)
  }
})

t.test('contents that are encoded are refused', async t => {
  for (const encoding of ['base64', 'quoted-printable', 'x-gzip', '', '8bit, base64']) {
    const head = `Content-Transfer-Encoding: ${encoding}\r\n`
    await t.rejects(read(field('model', 'bQ==', head) + END), why('transfer encoding'), encoding)
    await t.rejects(read(file('a.wav', 'bQ==', head) + END), why('transfer encoding'), encoding)
  }
  for (const encoding of ['7bit', '8bit', 'Binary']) {
    const head = `Content-Transfer-Encoding: ${encoding}\r\n`
    t.strictSame((await read(field('model', 'bQ==', head) + END)).fields.get('model'), ['bQ=='])
  }
})

/** Whether the reading ends, with a form or with a refusal. The timer is what notices that it does not. */
const ends = async (body: Buffer): Promise<boolean> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>(resolve => {
    timer = setTimeout(resolve, 5000, false)
  })
  const read = readForm(body, TYPE).then(
    ({ fields }) => fields instanceof Map,
    err => err instanceof GateError && /^TOLLGATE_INSPECT_(FORM|DUPLICATE)$/.test(err.code)
  )
  try {
    return await Promise.race([read, late])
  } finally {
    clearTimeout(timer)
  }
}

t.test('whatever the bytes, the reading ends with a form or with a refusal', async t => {
  const shard = fc.constantFrom(
    ...[
      '\r\n',
      '\r',
      '\n',
      '--b',
      '--b\r\n',
      '\r\n--b\r\n',
      '\r\n--b--',
      '--',
      '\r\n\r\n',
      ':',
      ';',
      '=',
      '"',
      "'",
      '*'
    ],
    ...['Content-Disposition: form-data', '; name="a"', '; name=', '; filename="x"', "; filename*=utf-16le''%41", '\\'],
    ...[
      'Content-Type: text/plain',
      '; charset=utf-8',
      '; charset=',
      'Content-Transfer-Encoding: 8bit',
      'x',
      '\xff',
      '\0'
    ]
  )
  const shards = fc.array(shard, { maxLength: 30 }).map(list => list.join(''))
  const part = fc.tuple(shards, shards).map(([head, content]) => `${head}\r\n\r\n${content}`)
  const disposition = shards.map(text => `Content-Disposition: form-data; name=a${text}`)
  const framed = fc
    .array(
      fc.oneof(
        part,
        fc.tuple(disposition, shards).map(both => both.join('\r\n\r\n'))
      ),
      { maxLength: 5 }
    )
    .map(parts => `${parts.map(text => `--b\r\n${text}\r\n`).join('')}--b--\r\n`)
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map(raw => Buffer.from(raw)),
    fc.oneof(shards, framed).map(text => Buffer.from(text, 'latin1'))
  )
  await fc.assert(fc.asyncProperty(bytes, ends), { numRuns: 1500 })
  t.pass()
})

t.test('bodies that are all boundaries, all heads or all white space cost little', async t => {
  const size = 4_000_000
  const disposition = 'Content-Disposition: form-data; name="a"'
  const bodies = [
    `--b\r\n${disposition}\r\n\r\n${'\r\n--'.repeat(size / 4)}\r\n--b--`,
    `--b\r\n${disposition}\r\n\r\n${'\r\n-'.repeat(size / 3)}`,
    `--b\r\n${'X: 1\r\n'.repeat(size / 6)}`,
    `--b\r\n${disposition}; ${' '.repeat(4000)}\x01\r\n\r\n\r\n--b--`,
    `--b\r\n${disposition}\r\nContent-Type: a/b${'; charset'.repeat(400)}\r\n\r\n\r\n--b--`,
    '\r\n--b'.repeat(size / 5)
  ]
  for (const body of bodies) {
    const began = performance.now()
    await t.rejects(read(body), FORM)
    t.ok(performance.now() - began < 1000)
  }
  const began = performance.now()
  const spaces = `multipart/form-data${' ;'.repeat(8000)}${' '.repeat(8000)}x`
  await t.rejects(read(END, spaces), FORM)
  t.ok(performance.now() - began < 1000)
})
