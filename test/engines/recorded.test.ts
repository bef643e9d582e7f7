import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { type Engine, verdictOf } from '../../src/engines/table.ts'

const FOLDER = new URL('recorded/', import.meta.url)

t.test('every route that a real engine was found to serve is classified', async t => {
  const files = readdirSync(FOLDER)
  t.ok(files.length > 0)
  for (const file of files) {
    const { engine, documented, undocumented } = JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8')) as {
      engine: Engine
      documented: string[]
      undocumented: string[]
    }
    for (const route of [...documented, ...undocumented]) {
      const [method = '', path = ''] = route.split(' ')
      t.ok(verdictOf(engine, method, path.replace(/\{[^}]+\}/g, 'one')), `${file} ${route}`)
    }
  }
})
