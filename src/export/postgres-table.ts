import type { UsageEvent } from '../segments/format.ts'

type Read = (event: UsageEvent) => string | number | boolean | null

/** Every column, in order: its type, whether it may be null, and what it says of an event. */
const COLUMNS: Readonly<Record<string, readonly [type: string, isNullable: boolean, read: Read]>> = {
  source: ['text', false, ({ source }) => source],
  id: ['text', false, ({ id }) => id],
  time: ['timestamptz', false, ({ time }) => time],
  request_id: ['text', false, ({ data }) => data.request_id],
  call: ['bigint', true, ({ data }) => data.call],
  team: ['text', true, ({ data }) => data.team],
  sub: ['text', false, ({ data }) => data.sub],
  iss: ['text', false, ({ data }) => data.iss],
  op: ['text', false, ({ data }) => data.op],
  api: ['text', false, ({ data }) => data.api],
  stream: ['boolean', false, ({ data }) => data.stream],
  model_requested: ['text', true, ({ data }) => data.model_requested],
  model_served: ['text', true, ({ data }) => data.model_served],
  pool: ['text', true, ({ data }) => data.pool],
  target: ['text', true, ({ data }) => data.target],
  engine: ['text', true, ({ data }) => data.engine],
  status: ['integer', true, ({ data }) => data.status],
  outcome: ['text', false, ({ data }) => data.outcome],
  code: ['text', true, ({ data }) => data.code],
  attempt: ['integer', false, ({ data }) => data.attempt],
  usage_source: ['text', false, ({ data }) => data.usage.source],
  input_tokens: ['bigint', true, ({ data }) => data.usage.input],
  cached_input_tokens: ['bigint', true, ({ data }) => data.usage.cached_input],
  output_tokens: ['bigint', true, ({ data }) => data.usage.output],
  reasoning_output_tokens: ['bigint', true, ({ data }) => data.usage.reasoning_output],
  audio_seconds: ['numeric', true, ({ data }) => data.usage.audio_seconds],
  requests: ['bigint', false, ({ data }) => data.usage.requests],
  bytes_in: ['bigint', false, ({ data }) => data.bytes_in],
  bytes_out: ['bigint', false, ({ data }) => data.bytes_out],
  ttft_ms: ['numeric', true, ({ data }) => data.ms.ttft],
  total_ms: ['numeric', true, ({ data }) => data.ms.total],
  config: ['text', false, ({ data }) => data.config],
  v: ['integer', false, ({ data }) => data.v]
}

/** What makes the table, and its index. Can be run again. @param table `name` or `schema.name`, in small letters */
export function createTableSql(table: string): string {
  const rows = Object.entries(COLUMNS).map(
    ([name, [type, isNullable]]) => `  ${quote(name)} ${type}${isNullable ? '' : ' NOT NULL'},`
  )
  const index = quote(`${table.split('.').at(-1)}_time`.slice(-63))
  return `CREATE TABLE IF NOT EXISTS ${quoteTable(table)} (
${rows.join('\n')}
  PRIMARY KEY ("source", "id")
);
CREATE INDEX IF NOT EXISTS ${index} ON ${quoteTable(table)} ("time");
`
}

/** Inserts what `rowsJson` has made of events, its one parameter; what is there already stays as it is. */
export function insertSql(table: string): string {
  const names = Object.keys(COLUMNS).map(quote).join(', ')
  const types = Object.entries(COLUMNS)
    .map(([name, [type]]) => `${quote(name)} ${type}`)
    .join(', ')
  return `INSERT INTO ${quoteTable(table)} (${names}) SELECT ${names} FROM json_to_recordset($1::json) AS r(${types}) ON CONFLICT ("source", "id") DO NOTHING`
}

/**
 * Events as rows, in JSON: a number goes to its column by its digits, null stays null. What PostgreSQL has no text for, U+0000
 * and halves of surrogate pairs, becomes U+FFFD: a caller who writes such a thing shall not go uncounted.
 */
export function rowsJson(events: readonly UsageEvent[]): string {
  return JSON.stringify(
    events.map(event =>
      Object.fromEntries(Object.entries(COLUMNS).map(([name, [, , read]]) => [name, storable(read(event))]))
    )
  )
}

function storable(value: ReturnType<Read>): ReturnType<Read> {
  return typeof value === 'string' ? value.toWellFormed().replaceAll('\0', '\ufffd') : value
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

function quoteTable(table: string): string {
  return table.split('.').map(quote).join('.')
}
