const ROOMS =
  'accept|identify|authenticate|inspect|authorize|limit|route|shape|meter|charge|forward|audit|metrics|refuse|mint|store|suspect'
const room = `^src/(${ROOMS})/`
/** The bill answers a route, and is otherwise beside the path. */
const hinged = `^src/(${ROOMS}|bill)/`
const vocabulary =
  '^src/((byte-collector|exchange|caller|codes|codes-mint|errors|time|units|usage|json-members|line-target|line-writer|make-folder|masked-url|networks|printable|private-files|schema-types|scripts|turns)\\.ts$|(engines|resolve|segments|tokens)/)'

/** The rules of doors of src/README.md. */
export default {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'no-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'the-vocabulary-imports-only-itself',
      severity: 'error',
      from: { path: vocabulary },
      to: { path: '^src/', pathNot: vocabulary }
    },
    {
      name: 'rooms-do-not-open-onto-each-other',
      severity: 'error',
      from: { path: room },
      to: { path: '^src/', pathNot: ['^src/$1/', vocabulary] }
    },
    {
      name: 'only-the-hinge-knows-fastify',
      severity: 'error',
      from: { path: hinged, pathNot: '/(plugin|server-options)\\.ts$' },
      to: { path: '^(node_modules/)?(fastify|fastify-plugin)(/|$)' }
    },
    {
      name: 'jose-lives-in-authenticate-and-mint',
      severity: 'error',
      from: { pathNot: '^src/(authenticate|mint)/' },
      to: { path: 'node_modules/jose/' }
    },
    {
      name: 'the-thread-pool-lives-in-mint',
      severity: 'error',
      from: { pathNot: '^src/mint/' },
      to: { path: 'node_modules/piscina/' }
    },
    {
      name: 'the-transport-lives-in-forward',
      severity: 'error',
      from: { pathNot: '^src/forward/' },
      to: { path: 'node_modules/(undici|ws|@fastify/http-proxy|@fastify/reply-from)/' }
    },
    {
      name: 'the-metrics-client-lives-in-metrics',
      severity: 'error',
      from: { pathNot: '^src/metrics/' },
      to: { path: 'node_modules/@prometheus-io/' }
    },
    {
      name: 'the-valkey-client-lives-in-store',
      severity: 'error',
      from: { pathNot: '^src/store/' },
      to: { path: 'node_modules/iovalkey/' }
    },
    {
      name: 'yaml-lives-in-config',
      severity: 'error',
      from: { pathNot: '^src/config/' },
      to: { path: 'node_modules/(yaml|ajv)/' }
    },
    {
      name: 'config-composes-options-only',
      severity: 'error',
      from: { path: '^src/config/' },
      to: { path: hinged, pathNot: ['/(options|money)\\.ts$', '^src/mint/accounts(-file)?\\.ts$'] }
    },
    {
      name: 'the-probe-knows-the-configuration-alone',
      severity: 'error',
      from: { path: '^src/probe/' },
      to: { path: '^src/', pathNot: ['^src/(probe|config)/', vocabulary] }
    },
    {
      name: 'the-bill-knows-the-vocabulary-alone',
      severity: 'error',
      from: { path: '^src/bill/' },
      to: { path: '^src/', pathNot: ['^src/(bill|config)/', vocabulary] }
    },
    {
      name: 'the-export-knows-the-vocabulary-alone',
      severity: 'error',
      from: { path: '^src/export/' },
      to: { path: '^src/', pathNot: ['^src/(export|config)/', vocabulary] }
    },
    {
      name: 'the-reconcile-knows-the-vocabulary-alone',
      severity: 'error',
      from: { path: '^src/reconcile/' },
      to: { path: '^src/', pathNot: ['^src/(reconcile|config)/', '^src/export/(http|sink)\\.ts$', vocabulary] }
    },
    {
      name: 'postgres-lives-in-export',
      severity: 'error',
      from: { pathNot: '^src/export/' },
      to: { path: 'node_modules/(pg|@types/pg)/' }
    },
    {
      name: 'nothing-on-the-path-knows-the-demo',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/demo/' },
      to: { path: '^src/demo/' }
    },
    {
      name: 'the-shell-is-imported-from-outside-only',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(cli|serve|explain|explain-command|deps|world|demo/.*)(\\.ts)?$' },
      to: { path: '^src/(app|serve|cli|deps)\\.ts$' }
    }
  ],
  options: {
    tsPreCompilationDeps: true,
    parser: 'swc',
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
    doNotFollow: { path: 'node_modules' }
  }
}
