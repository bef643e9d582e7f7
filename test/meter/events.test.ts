import fc from 'fast-check'
import t from 'tap'
import { type EventReader, EventStream, MAX_EVENT_BYTES, type Verdict } from '../../src/meter/events.ts'
import { cutAt, cuts } from '../helpers/cut.ts'

/** Notes the data of every event; drops `drop`, and cuts what stands between brackets. */
class Noting implements EventReader {
  readonly seen: string[] = []
  cutFrom = 0
  cutTo = 0
  insert = ''
  readonly hides: boolean

  constructor(hides = true) {
    this.hides = hides
  }

  event(bytes: Buffer, start: number, limit: number): Verdict {
    const data = bytes.toString('utf8', start, limit)
    this.seen.push(data)
    this.insert = ''
    if (!this.hides) return 'pass'
    if (data === 'late') this.insert = '!'
    if (data === 'drop' || data === 'late') return 'drop'
    this.cutFrom = bytes.indexOf('[', start)
    this.cutTo = bytes.indexOf(']', start) + 1
    if (this.cutFrom === -1 || this.cutTo > limit || this.cutTo === 0) return 'pass'
    return data.startsWith('park') ? 'park' : 'cut'
  }
}

const through = (text: string, places: readonly number[] = [], reader = new Noting()) => {
  const stream = new EventStream(reader)
  const out = cutAt(Buffer.from(text), places).map(piece => stream.chunk(piece) ?? Buffer.alloc(0))
  const rest = stream.end() ?? Buffer.alloc(0)
  return { text: Buffer.concat([...out, rest]).toString(), seen: reader.seen, unread: stream.unread, out }
}

const line = fc.constantFrom(
  'data: a',
  'data:b',
  'data: {"x":1}',
  ': comment',
  'event: e',
  'id: 1',
  'retry: 5',
  'data',
  'x',
  'data: \r'
)
const event = fc.tuple(fc.array(line, { maxLength: 4 }), fc.constantFrom('\n', '\r\n'))
const stream = fc
  .array(event, { maxLength: 8 })
  .map(events => events.map(([lines, eol]) => `${lines.map(text => text + eol).join('')}${eol}`).join(''))

t.test('where nothing is taken out, every byte comes out, however the stream is written and cut', async () => {
  fc.assert(
    fc.property(
      stream,
      cuts,
      fc.boolean(),
      (text, places, hides) => through(text, places, new Noting(hides)).text === text
    )
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), cuts, fc.boolean(), (bytes, places, hides) => {
      const events = new EventStream(new Noting(hides))
      const out = cutAt(Buffer.from(bytes), places).map(piece => events.chunk(piece) ?? Buffer.alloc(0))
      return Buffer.concat([...out, events.end() ?? Buffer.alloc(0)]).equals(bytes)
    })
  )
})

t.test('the data is the same however the stream is cut: several lines are one text', async t => {
  fc.assert(
    fc.property(stream, cuts, (text, places) => {
      const expected = text
        .replaceAll('\r\n', '\n')
        .split(/\n\n|(?<=^|\n)\n/)
        .map(block => block.split('\n').filter(one => one.startsWith('data:')))
        .filter(lines => lines.length > 0)
        .map(lines => lines.map(one => one.slice(one[5] === ' ' ? 6 : 5)).join('\n'))
      const { seen } = through(text, places)
      // A CR that ends no line is part of it.
      return JSON.stringify(seen) === JSON.stringify(expected) || text.includes(' \r')
    })
  )
  t.strictSame(through('data: {"a":\r\ndata: 1}\r\n\r\n').seen, ['{"a":\n1}'])
})

t.test('a piece in which nothing is hidden goes on as the same object', async t => {
  const piece = Buffer.from('data: a\n\n: c\n\ndata: b\n\n')
  t.equal(new EventStream(new Noting()).chunk(piece), piece)
  const half = Buffer.from('data: ha')
  t.equal(new EventStream(new Noting(false)).chunk(half), null, 'and nothing of an event before its end')
})

t.test('events are dropped and cut wherever they stand', async t => {
  t.equal(through('data: a\n\ndata: drop\n\ndata: b[x]c\n\n').text, 'data: a\n\ndata: bc\n\n')
  t.equal(through('data: drop\n\n').text, '')
  t.equal(through('event: e\r\ndata: 1[x]\r\nid: 7\r\n\r\n').text, 'event: e\r\ndata: 1\r\nid: 7\r\n\r\n')
  t.equal(through('id: 7\ndata: 1\ndata: [x]2\n\n').text, 'id: 7\ndata: 1\ndata: 2\n\n')
  t.equal(through('data: drop').text, '')
  t.equal(through('data: a[x]').text, 'data: a')
})

t.test('an event that waits goes on before the next one, with what that one says of it', async t => {
  t.equal(through('data: park[x].\n\ndata: late\n\ndata: b\n\n').text, 'data: park!.\n\ndata: b\n\n')
  t.equal(through('data: park[x].\n\ndata: b\n\n').text, 'data: park.\n\ndata: b\n\n')
  t.equal(through('data: park[x].\n\n: comment\n\n').text, 'data: park.\n\n: comment\n\n')
  t.equal(through('data: park[x].\n\n').text, 'data: park.\n\n')
  t.equal(through('data: park[x].\n\ndata: park[y].\n\ndata: late\n\n').text, 'data: park.\n\ndata: park!.\n\n')
})

t.test(
  'an event that is too long goes by unread; what is held is bounded, and the next event is read again',
  async t => {
    const piece = Buffer.alloc(64 * 1024, 'x')
    const reader = new Noting()
    const events = new EventStream(reader)
    let came = 6
    let went = events.chunk(Buffer.from('data: '))?.length ?? 0
    let held = 0
    for (let i = 0; i < 200; i++) {
      came += piece.length
      went += events.chunk(piece)?.length ?? 0
      held = Math.max(held, came - went)
    }
    t.ok(held <= MAX_EVENT_BYTES + piece.length, `${held} held`)
    t.equal(went, came)
    t.equal(events.unread, 1)
    t.equal(events.chunk(Buffer.from('drop\n'))?.toString(), 'drop\n')
    t.equal(events.chunk(Buffer.from('\ndata: a[x]\n\ndata: h'))?.toString(), '\ndata: a\n\n')
    t.strictSame(reader.seen, ['a[x]'])
  }
)

t.test('an event that comes byte by byte is put together', async t => {
  const events = new EventStream(new Noting())
  const bytes = Buffer.from(`data: ${'x'.repeat(20_000)}[y]\n\n`)
  let out = 0
  for (let i = 0; i < bytes.length; i++) out += events.chunk(bytes.subarray(i, i + 1))?.length ?? 0
  t.equal(out, bytes.length - 3)
})
