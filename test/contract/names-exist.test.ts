import { readFileSync } from 'node:fs'
import t from 'tap'
import { METRICS } from '../../src/metrics/definitions.ts'

/** Documents that operators read, and what they may name. */
const DOCUMENTS = [
  'README.md',
  'CHANGELOG.md',
  'config/METRICS.md',
  'config/REFERENCE.md',
  'config/alerts.yml',
  'config/fail2ban.conf'
]
const read = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8')

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: Schema | boolean
  readonly patternProperties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
}
const SCHEMA = JSON.parse(read('config/tollgate.schema.json')) as Schema
const TOP = Object.keys(SCHEMA.properties ?? {})
const KEY = new RegExp(`(?<![\\w./*-])(?:${TOP.join('|')})(?:\\.(?:[a-z][a-z_]*\\b|\\*)|\\[\\])+`, 'g')
/** `audit.log` and `users.yaml` are files; `mint.key` is an action of the audit log, `tollgate_usage` a table. */
const NO_KEY = /\.(?:log|yaml|yml|json|jsonl|md|ts|sqlite)$|^mint\.key$/
const TABLE = 'tollgate_usage'

/** What is below a key, however it is said: `pools.*.targets[].url`, `pools.p.health`. */
function below(schemas: readonly Schema[], step: string): readonly Schema[] {
  return schemas.flatMap(schema => {
    const { properties, additionalProperties, patternProperties, items, anyOf } = schema
    const named = properties?.[step]
    const others = [...Object.values(patternProperties ?? {}), additionalProperties].filter(
      other => typeof other === 'object'
    )
    const all = step === '*' ? [...Object.values(properties ?? {}), ...others] : named === undefined ? others : [named]
    return [
      ...(step === '[]' ? (items === undefined ? [] : [items]) : all),
      ...(anyOf === undefined ? [] : below(anyOf, step)),
      // A list is often said without its brackets.
      ...(items !== undefined && step !== '[]' ? below([items], step) : [])
    ]
  })
}

for (const name of DOCUMENTS) {
  t.test(`every key that ${name} names is one that the configuration has`, async t => {
    for (const [key] of read(name).matchAll(KEY)) {
      if (NO_KEY.test(key)) continue
      const steps = key.replaceAll('[]', '.[]').split('.')
      t.ok(steps.reduce<readonly Schema[]>(below, [SCHEMA]).length > 0, key)
    }
  })

  t.test(`every metric that ${name} names is one that the gateway has`, async t => {
    const known = Object.keys(METRICS)
    for (const [text] of read(name).matchAll(/\btollgate_[a-z_]+(?:\*|…)?/g)) {
      if (text === TABLE) continue
      const isFamily = /[*…_]$/.test(text)
      const metric = text.replace(/[*…]$/, '')
      const plain = metric.replace(/_(?:bucket|sum|count)$/, '')
      t.ok(
        known.some(one => one === metric || one === plain || (isFamily && one.startsWith(metric))),
        text
      )
    }
  })
}
