import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import type { Test } from 'tap'
import type { PostgresOptions } from '../../src/export/options.ts'
import { freePort } from './ports.ts'

const USER = 'tollgate'
export const PASSWORD = 'pg-secret-7'

/** A server of PostgreSQL of its own. */
export interface PostgresServer {
  readonly options: PostgresOptions
  /** As YAML, in one line; the password is read from PG_SECRET. */
  readonly yaml: string
  query<Row extends object>(text: string): Promise<Row[]>
  /** Ends it as a crash would, and starts it again. */
  crash(): Promise<void>
  stop(): Promise<void>
  start(): Promise<void>
}

/** Where Debian keeps the programs of the server; of the newest. */
function programs(): string | null {
  const root = '/usr/lib/postgresql'
  const versions = existsSync(root) ? readdirSync(root).sort((a, b) => Number(a) - Number(b)) : []
  const bin = join(root, versions.at(-1) ?? 'none', 'bin')
  return existsSync(join(bin, 'initdb')) ? bin : null
}

/** For tests that need one: why they are left out. CI installs it (.ci/run). */
export const WITHOUT_POSTGRES = programs() === null ? { skip: 'the package postgresql is not installed' } : {}

/** The server refuses to run as root. */
function owner(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {}
  const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

/** Starts a server on a free port in a temporary folder; it ends with the test. */
export async function startPostgres(
  t: Pick<Test, 'teardown'>,
  tls: { readonly cert: string; readonly key: string } | null = null
): Promise<PostgresServer> {
  const bin = programs()
  if (bin === null) throw new Error('the package postgresql is not installed')
  const user = owner()
  const dir = mkdtempSync(join(tmpdir(), 'tollgate-pg-'))
  if (user.uid !== undefined && user.gid !== undefined) chownSync(dir, user.uid, user.gid)
  chmodSync(dir, 0o700)
  const env = { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' }
  const run = { ...user, env, cwd: dir }
  execFileSync(
    join(bin, 'initdb'),
    ['-D', `${dir}/data`, '-U', 'root', '-A', 'trust', '-E', 'UTF8', '--no-sync', '--no-instructions'],
    { ...run, stdio: 'pipe' }
  )
  const port = await freePort()
  let server: ReturnType<typeof spawn> | null = null
  let exit: Promise<unknown> = Promise.resolve()

  const settings = [
    'fsync=off',
    `hba_file=${dir}/hba`,
    ...(tls === null ? [] : ['ssl=on', `ssl_cert_file=${dir}/cert.pem`, `ssl_key_file=${dir}/key.pem`])
  ].flatMap(setting => ['-c', setting])
  const place = ['-D', `${dir}/data`, '-k', dir, '-h', '127.0.0.1', '-p', String(port)]
  const start = async () => {
    const child = spawn(join(bin, 'postgres'), [...place, ...settings], { ...run, stdio: ['ignore', 'ignore', 'pipe'] })
    server = child
    exit = new Promise(resolve => child.once('exit', resolve))
    let said = ''
    await new Promise<void>((resolve, reject) => {
      child.once('exit', () => reject(new Error(`PostgreSQL has not started: ${said}`)))
      child.stderr?.on('data', piece => {
        said += String(piece)
        if (said.includes('database system is ready to accept connections')) resolve()
      })
    })
  }
  const end = async (signal: NodeJS.Signals) => {
    server?.kill(signal)
    await exit
  }
  t.teardown(async () => {
    await end('SIGQUIT')
    rmSync(dir, { recursive: true, force: true })
  })
  const write = (name: string, text: string) => {
    writeFileSync(join(dir, name), text, { mode: 0o600 })
    if (user.uid !== undefined && user.gid !== undefined) chownSync(join(dir, name), user.uid, user.gid)
  }
  // The administrator comes over the socket, whoever ships over the network and with a password.
  write('hba', 'local all root trust\nhost all all 127.0.0.1/32 scram-sha-256\n')
  if (tls !== null) {
    write('cert.pem', tls.cert)
    write('key.pem', tls.key)
  }
  await start()

  async function query<Row extends object>(text: string): Promise<Row[]> {
    const client = new Client({ host: dir, port, user: 'root', database: 'postgres' })
    await client.connect()
    try {
      return (await client.query<Row>(text)).rows
    } finally {
      await client.end()
    }
  }
  await query(`CREATE ROLE ${USER} LOGIN PASSWORD '${PASSWORD}'`)
  await query(`CREATE SCHEMA billing AUTHORIZATION ${USER}`)

  const options: PostgresOptions = {
    kind: 'postgres',
    host: '127.0.0.1',
    port,
    database: 'postgres',
    user: USER,
    password: PASSWORD,
    tls: false,
    ca: null,
    table: 'billing.usage'
  }
  return {
    options,
    yaml: `{ host: 127.0.0.1, port: ${port}, database: postgres, user: ${USER}, password: "\${env:PG_SECRET}", tls: off, table: billing.usage }`,
    query,
    start,
    stop: () => end('SIGINT'),
    async crash() {
      await end('SIGQUIT')
      await start()
    }
  }
}
