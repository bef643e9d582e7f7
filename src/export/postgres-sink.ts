import { Client } from 'pg'
import type { Ms } from '../time.ts'
import { reasonOf } from './http.ts'
import type { PostgresOptions } from './options.ts'
import { createTableSql, insertSql, rowsJson } from './postgres-table.ts'
import { quoted, type Sink, SinkError } from './sink.ts'

/** A sink that can make its table. */
export interface PostgresSink extends Sink {
  /** Makes the table unless it is there. @throws SinkError */
  createTable(): Promise<void>
}

/** SQLSTATE classes that are about what a row says: data exceptions, and constraints of the table. */
const OF_THE_RECORDS = /^(22|23)...$/
const SQLSTATE = /^[0-9A-Z]{5}$/

/** Inserts into a table of PostgreSQL, over one connection that is opened when it is needed. */
export function createPostgresSink(to: PostgresOptions, init: { readonly timeoutMs: Ms }): PostgresSink {
  const insert = insertSql(to.table)
  let client: Client | null = null

  async function connected(): Promise<Client> {
    if (client !== null) return client
    const next = new Client(connection(to, init.timeoutMs))
    const forget = () => {
      if (client === next) client = null
    }
    // An idle connection that breaks is no mistake of ours: the next batch opens another one.
    next.on('error', forget)
    next.on('end', forget)
    try {
      await next.connect()
    } catch (err) {
      // Not waited for: it may never have been a connection.
      void next.end().catch(() => {})
      throw err
    }
    client = next
    return next
  }

  async function query(text: string, values: string[]): Promise<void> {
    try {
      const open = await connected()
      await open.query(text, values)
    } catch (err) {
      const broken = client
      client = null
      void broken?.end().catch(() => {})
      throw sinkError(err, to)
    }
  }

  return {
    send: events => query(insert, [rowsJson(events)]),
    async createTable() {
      for (const statement of createTableSql(to.table).split(';\n')) if (statement !== '') await query(statement, [])
    },
    async close() {
      const open = client
      client = null
      await open?.end().catch(() => {})
    }
  }
}

function connection({ host, port, database, user, password, tls, ca }: PostgresOptions, timeoutMs: Ms) {
  return {
    host,
    port,
    database,
    user,
    // A function, for the library would look for a missing one in the environment and in ~/.pgpass.
    password: () => password ?? '',
    ssl: tls ? { rejectUnauthorized: true, ...(ca === null ? {} : { ca }) } : false,
    application_name: 'tollgate',
    connectionTimeoutMillis: timeoutMs,
    // Not the server's own limit: it would be a parameter of the connection, which poolers refuse.
    query_timeout: timeoutMs,
    keepAlive: true
  }
}

function sinkError(err: unknown, { password, table }: PostgresOptions): SinkError {
  const code = reasonOf(err)
  const words = quoted(err instanceof Error ? err.message : '', [password])
  if (!SQLSTATE.test(code)) return new SinkError('unavailable', `it does not answer (${words || code})`, { cause: err })
  const kind = OF_THE_RECORDS.test(code) ? 'refused' : 'unavailable'
  const hint = code === '42P01' ? `; 'tollgate usage export --init' makes ${table}` : ''
  return new SinkError(kind, `${words} (SQLSTATE ${code})${hint}`, { cause: err })
}
