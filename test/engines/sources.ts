import { execFile } from 'node:child_process'
import { globSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Engine as EngineName } from '../../src/engines/table.ts'
import { type Engine, FASTAPI_ROUTES, sortedRoutes, type Tools } from './engine.ts'
import { CACHE, type Venv } from './python.ts'

const READ = fileURLToPath(new URL('routes-of-wheel.py', import.meta.url))

/** A server that is not run here, or not in this way: its routes are read from the source in its package. */
interface Source {
  readonly engine: EngineName
  readonly package: string
  readonly version: string
  /** The folders and files that have the routes. */
  readonly places: readonly string[]
  /** What a library adds to them. */
  readonly more: readonly string[]
  /** How many routes have a path that the operator makes up, and none unless they do. */
  readonly unread: number
}

/** The packages, under the names of their records. */
export const SOURCES: Readonly<Record<string, Source>> = {
  sglang: {
    engine: 'sglang',
    package: 'sglang',
    version: '0.5.23',
    places: ['http_server.py', 'v1_loads.py', 'elastic_ep.py'].map(file => `sglang/srt/entrypoints/${file}`),
    more: [...FASTAPI_ROUTES, 'GET /metrics'],
    // SGLANG_OLLAMA_ROOT_ROUTE, in place of `/`.
    unread: 2
  },
  lmdeploy: {
    engine: 'lmdeploy',
    package: 'lmdeploy',
    version: '0.18.0',
    places: ['lmdeploy/serve/openai/', 'lmdeploy/serve/anthropic/', 'lmdeploy/serve/proxy/'],
    // Its documentation is at the root.
    more: [...FASTAPI_ROUTES, 'GET /', 'HEAD /', 'GET /metrics'],
    unread: 0
  },
  'swift-rollout': {
    engine: 'swift',
    package: 'ms-swift',
    version: '4.6.0',
    places: ['swift/pipelines/infer/rollout.py'],
    more: FASTAPI_ROUTES,
    unread: 0
  }
}

/**
 * Reads the routes of a package, which is downloaded alone, once, and neither installed nor run.
 * @throws when there are paths that cannot be read and were not there before
 */
export async function readSource(
  { children, dir, say }: Tools,
  venv: Venv,
  source: Source
): Promise<Pick<Engine, 'name' | 'version' | 'routes'>> {
  const { engine, package: name, version, places, more, unread: expected } = source
  const folder = join(CACHE, 'wheels')
  mkdirSync(folder, { recursive: true })
  const find = () => globSync(`${name.replaceAll('-', '_')}-${version}-*.whl`, { cwd: folder })[0]
  if (find() === undefined) {
    say(`downloading ${name} ${version}`)
    const any = ['--only-binary=:all:', '--python-version=3.12', '--abi=cp312', '--abi=none']
    const platforms = ['--platform=manylinux_2_34_x86_64', '--platform=manylinux_2_28_x86_64', '--platform=any']
    const pip = ['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--no-deps', '--dest', folder]
    await children.run(venv.python, [...pip, ...any, ...platforms, `${name}==${version}`], {
      logFile: join(dir, `download-${name}.log`),
      limitMs: 5 * 60_000
    })
  }
  const { stdout } = await promisify(execFile)(venv.python, [READ, join(folder, find() ?? ''), ...places])
  const { routes, unread } = JSON.parse(stdout) as { routes: string[]; unread: string[] }
  if (unread.length !== expected) throw new Error(`${name} ${version}: what is at ${unread.join(', ')}?`)
  return {
    name: engine,
    version,
    routes: async () => ({ documented: [], undocumented: sortedRoutes([...routes, ...more]) })
  }
}
