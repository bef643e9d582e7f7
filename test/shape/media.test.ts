import fc from 'fast-check'
import t from 'tap'
import { checkMedia } from '../../src/shape/media.ts'

const none = { hosts: new Set<string>() }
const named = { hosts: new Set(['media.example.com']) }
const image = (url: unknown) => ({ messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }] })
const MEDIA = { code: 'TOLLGATE_SHAPE_MEDIA' }
const BASE64 = 'iVBORw0KGgo'.repeat(40)

t.test('media come in the body itself', async t => {
  for (const body of [
    image('data:image/png;base64,AAAA'),
    { messages: [{ content: [{ type: 'input_audio', input_audio: { data: BASE64, format: 'wav' } }] }] },
    { messages: [{ content: [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: BASE64 } }] }] },
    { input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'data:image/jpeg;base64,/9j/' }] }] },
    { images: ['data:image/png;base64,AAAA'] },
    { messages: [], tools: [{ function: { parameters: { properties: { url: { default: 'http://x' } } } } }] },
    { messages: [{ content: [{ type: 'tool_use', name: 'f', input: { url: 'http://x' } }] }] }
  ])
    t.doesNotThrow(() => checkMedia(body, none), JSON.stringify(body).slice(0, 80))
})

t.test('an engine neither fetches an address nor opens a file for a caller, wherever it is named', async t => {
  const places = [
    'http://169.254.169.254/latest/meta-data',
    'https://media.example.com/x.png',
    'file:///etc/passwd',
    '/etc/passwd',
    'photo.png',
    '../../weights.png',
    'ftp://x/y',
    'DATA:text/html;base64,AAAA',
    'data:text/html,<script>',
    'data:image/png,raw',
    ' data:image/png;base64,AAAA',
    'blob:x',
    ''
  ]
  for (const place of places) {
    for (const body of [
      image(place),
      { messages: [{ content: [{ type: 'text', text: 'x', image_url: place }] }] },
      { messages: [{ content: [{ type: 'video_url', video_url: { url: place } }] }] },
      {
        messages: [
          { content: [{ type: 'tool_result', content: [{ type: 'image', source: { type: 'url', url: place } }] }] }
        ]
      },
      { images: [place] },
      { image_data: place },
      { messages: [{ content: [{ type: 'input_audio', input_audio: { data: place } }] }] }
    ])
      t.throws(() => checkMedia(body, none), MEDIA, `${place} in ${JSON.stringify(body).slice(0, 60)}`)
  }
})

t.test('what another caller has stored cannot be named', async t => {
  for (const part of [
    { type: 'image_url', image_url: null, uuid: 'x' },
    { type: 'input_image', file_id: 'file-1' }
  ]) {
    t.throws(() => checkMedia({ messages: [{ content: [part] }] }, none), MEDIA)
  }
})

t.test('media are of the kinds that engines are fed with, by their name and by their first bytes', async t => {
  const filler = 'A'.repeat(400)
  for (const kind of ['image/png', 'image/JPEG', 'image/webp', 'audio/wav', 'audio/mpeg', 'video/mp4', 'video/jpeg']) {
    t.doesNotThrow(() => checkMedia(image(`data:${kind};base64,${filler}`), none), kind)
  }
  for (const kind of [
    'image/jp2',
    'image/svg+xml',
    'image/tiff',
    'image/x-icns',
    'audio/midi',
    'video/x-flv',
    'image/'
  ]) {
    t.throws(() => checkMedia(image(`data:${kind};base64,${filler}`), none), MEDIA, kind)
  }
  for (const jpeg2000 of ['AAAADGpQICANCocK', '/0//UQ', '_0__UQ']) {
    t.throws(() => checkMedia(image(`data:image/png;base64,${jpeg2000}${filler}`), none), MEDIA, jpeg2000)
    t.throws(() => checkMedia({ messages: [{ source: { data: `${jpeg2000}${filler}` } }] }, none), MEDIA, jpeg2000)
  }
})

t.test('a host that the operator named is fetched from, by https, as it is written', async t => {
  t.doesNotThrow(() => checkMedia(image('https://media.example.com/a/b.png?c=d'), named))
  for (const url of [
    'http://media.example.com/x',
    'https://media.example.com:8443/x',
    'https://user@media.example.com/x',
    'https://media.example.com@evil.example/x',
    'https://media.example.com.evil.example/x',
    'https://evil.example/media.example.com',
    'https://media.example.com./x',
    'https://MEDIA.example.com/x',
    'https:/media.example.com/x',
    'https://media.example.com\\@evil.example/x',
    'https://media.example.com\t/x',
    'https://mediaｅ.example.com/x'
  ])
    t.throws(() => checkMedia(image(url), named), MEDIA, url)
})

t.test('whatever JSON it is, it passes or is refused by name', async () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), body => {
      try {
        checkMedia(body, none)
        return true
      } catch (err) {
        return (err as { code?: string }).code === 'TOLLGATE_SHAPE_MEDIA'
      }
    })
  )
})

t.test('a path that looks like base64 is not taken for a medium, however it is made long', async t => {
  for (const path of [
    `${'/'.repeat(256)}etc/passwd`,
    `${'/'.repeat(300)}`,
    `${'/proc/self/root'.repeat(18)}/etc/passwd`,
    `${'A'.repeat(250)}/models/weights`,
    `//${'/proc/self/root'.repeat(18)}/etc/shadow`
  ]) {
    for (const body of [
      { messages: [{ content: [{ type: 'input_audio', input_audio: { data: path, format: 'wav' } }] }] },
      { messages: [{ content: [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: path } }] }] },
      { input: [{ type: 'input_file', file_data: path }] }
    ]) {
      t.throws(() => checkMedia(body, none), MEDIA, path.slice(0, 40))
    }
  }
})

t.test(
  'short media of every kind that engines are fed with pass, and sound without a header when it is long',
  async t => {
    const audio = (data: string) => ({ messages: [{ content: [{ type: 'input_audio', input_audio: { data } }] }] })
    const filler = Buffer.alloc(300, 'x')
    for (const [name, head] of Object.entries({
      png: '89504e470d0a1a0a',
      jpeg: 'ffd8ffe0',
      webp: '5249464624000000',
      gif: '474946383961',
      bmp: '424d',
      mp4: '00000020667479706d703432',
      heic: '0000001c6674797068656963',
      mp3: '49443304',
      ogg: '4f676753',
      flac: '664c6143',
      webm: '1a45dfa3',
      pdf: '255044462d'
    })) {
      const data = Buffer.concat([Buffer.from(head, 'hex'), filler]).toString('base64')
      t.doesNotThrow(() => checkMedia(audio(data), none), name)
    }
    t.doesNotThrow(() => checkMedia(audio(Buffer.alloc(4_000, 0xff).toString('base64')), none), 'PCM that is silent')
    t.throws(() => checkMedia(audio(Buffer.alloc(600, 0xff).toString('base64')), none), MEDIA, 'too short to be any')
  }
)
