import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { parse } from 'yaml'
import { type Definition, METRICS } from '../../src/metrics/definitions.ts'
import { Families } from '../../src/metrics/families.ts'

const pathOf = (name: string) => fileURLToPath(new URL(name, import.meta.url))
const RULES = pathOf('../../config/alerts.yml')
const UNIT_TESTS = ['alerts.promtool.yml', 'alerts-week.promtool.yml'].map(pathOf)

interface Rule {
  readonly alert?: string
  readonly record?: string
  readonly expr: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
}

const rules = (parse(readFileSync(RULES, 'utf8')) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  group => group.rules
)
const recorded = new Set(rules.map(({ record }) => record))
const definitions = METRICS as Readonly<Record<string, Definition>>

/** `tollgate_x{a='b',c=~'d'}`: a name, and the labels that are asked for. */
const SELECTOR = /(?<![\w.:'])((?:tollgate|nodejs|process)[_:][\w:]+|up)(?:\{([^}]*)\})?/g
const GROUPING = /\bby \(([^)]*)\)/g
/** What Prometheus itself puts on every series. */
const TARGET = ['job', 'instance']

const labelsOfText = (text: string) =>
  [...text.matchAll(/([a-z_]+)\s*(?:=~|!~|!=|=)\s*'/g)].map(([, label]) => label ?? '')

/** The labels of a series that a rule names, or null when there is no such metric. */
function labelsOf(name: string): readonly string[] | null {
  if (name === 'up' || recorded.has(name) || name.startsWith('nodejs_')) return TARGET
  const ofHistogram = /^(.+)_(bucket|sum|count)$/.exec(name)
  const base = definitions[ofHistogram?.[1] ?? '']
  if (ofHistogram !== null && base?.kind === 'histogram') {
    return [...base.labels, ...(ofHistogram[2] === 'bucket' ? ['le'] : []), ...TARGET]
  }
  const definition = definitions[name]
  return definition === undefined || definition.kind === 'histogram' ? null : [...definition.labels, ...TARGET]
}

t.test('every metric and label in the rules is one that the gate has', async t => {
  for (const { alert, record, expr, annotations = {} } of rules) {
    const rule = alert ?? record ?? ''
    const selectors = [...expr.matchAll(SELECTOR)]
    t.ok(selectors.length > 0, rule)
    const known = new Set<string>()
    for (const [, name = '', matchers = ''] of selectors) {
      const labels = labelsOf(name)
      t.ok(labels, `${rule}: ${name}`)
      for (const label of labels ?? []) known.add(label)
      for (const label of labelsOfText(matchers)) t.ok(labels?.includes(label), `${rule}: ${name}{${label}}`)
    }
    const groupings = [...expr.matchAll(GROUPING)].map(([, list = '']) => list.split(',').map(label => label.trim()))
    for (const label of groupings.flat()) t.ok(known.has(label), `${rule}: by (${label})`)
    const isSummed = /\b(sum|max|min|count|avg|histogram_quantile)\b/.test(expr)
    for (const [, label = ''] of Object.values(annotations)
      .join(' ')
      .matchAll(/\$labels\.(\w+)/g)) {
      t.ok(isSummed ? groupings[0]?.includes(label) : known.has(label), `${rule}: $labels.${label}`)
    }
  }
})

t.test('what the rules ask of the process is what the library tells of it', async t => {
  const names = rules.flatMap(({ expr }) => expr.match(/\bnodejs_\w+/g) ?? [])
  t.ok(names.length > 0)
  const families = new Families()
  families.watchProcess()
  const text = await families.text()
  for (const name of names) t.match(text, new RegExp(`^${name} `, 'm'))
})

t.test('every alert says how bad it is, and what is wrong in a sentence', async t => {
  const names = rules.flatMap(({ alert }) => alert ?? [])
  t.equal(new Set(names).size, names.length, 'no name stands twice')
  for (const { alert, labels, annotations } of rules) {
    if (alert === undefined) continue
    t.match(alert, /^Tollgate[A-Z]/)
    t.match(labels?.severity, /^(critical|warning|info)$/, alert)
    t.ok(annotations?.summary, alert)
  }
})

const { error } = spawnSync('promtool', ['--version'])
const skip = error === undefined ? false : 'promtool is not installed (it is in the package prometheus of Debian)'

t.test('Prometheus takes the rules, and they tell of what they should', { skip }, async t => {
  for (const args of [
    ['check', 'rules', RULES],
    ['test', 'rules', ...UNIT_TESTS]
  ]) {
    const { status, stdout, stderr } = spawnSync('promtool', args, { encoding: 'utf8' })
    t.equal(status, 0, `promtool ${args[0]}: ${stdout}${stderr}`)
  }
})
