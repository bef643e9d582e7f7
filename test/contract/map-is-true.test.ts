import { existsSync, readdirSync, readFileSync } from 'node:fs'
import t from 'tap'

const SRC = new URL('../../src/', import.meta.url)
const MAP = readFileSync(new URL('README.md', SRC), 'utf8')

function filesOfSrc(): string[] {
  return readdirSync(SRC, { recursive: true, encoding: 'utf8' })
    .filter(file => file.endsWith('.ts'))
    .sort()
}

t.test('the map names every file of src, and no file that does not exist', async t => {
  const named = [...MAP.matchAll(/^- `((?:[a-z]+\/)?[a-z0-9-]+\.ts)` – /gm)].map(([, file]) => file ?? '')
  t.strictSame([...new Set(named)].sort(), filesOfSrc())
})

t.test('every unit has a test of its own at the same place under test', async t => {
  const exempt =
    /(^|\/)(options|plugin|server-options|tls-files|stall|broken-socket|socket-clocks|reasons|json|relay)\.ts$|^(app|caller|checks|cli|codes(-mint)?|deps|exchange|errors|judge|rules|serve|drain|usage|watch|world|log|sharing|scripts)\.ts$|^(admin|demo|config)\/|^engines\/(?!table)|^metrics\/(reference|surroundings)/
  for (const file of filesOfSrc()) {
    if (exempt.test(file)) continue
    const place = new URL(`../../test/${file.replace(/\.ts$/, '.test.ts')}`, import.meta.url)
    t.ok(existsSync(place), `test/${file.replace(/\.ts$/, '.test.ts')}`)
  }
})

t.test('no file of src is longer than three hundred lines', async t => {
  for (const file of filesOfSrc()) {
    const lines = readFileSync(new URL(file, SRC), 'utf8').split('\n').length
    t.ok(lines <= 300, `${file}: ${lines}`)
  }
})

t.test('only accept speaks to the framework about its request type', async t => {
  const speakers = filesOfSrc().filter(file => readFileSync(new URL(file, SRC), 'utf8').includes('declare module'))
  t.strictSame(speakers, ['accept/plugin.ts'])
})
