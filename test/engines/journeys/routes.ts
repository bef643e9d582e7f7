import assert from 'node:assert/strict'
import { verdictOf } from '../../../src/engines/table.ts'
import type { Engine } from '../engine.ts'
import type { Journey } from '../journey.ts'

/** For each engine: whether its table has all that it serves. */
export function routeJourneys(engines: Readonly<Record<string, Pick<Engine, 'name' | 'routes'>>>): readonly Journey[] {
  return Object.entries(engines).map(([title, { name, routes }]) => ({
    sentence: `every route of ${title} is known to the gate`,
    async run() {
      const { documented, undocumented } = await routes()
      const all = [...documented, ...undocumented]
      assert.ok(all.length > 0)
      assert.deepEqual(
        all.filter(route => {
          const [method = '', path = ''] = route.split(' ')
          return verdictOf(name, method, path.replace(/\{[^}]+\}/g, 'one')) === null
        }),
        []
      )
      return `${all.length} routes`
    }
  }))
}
