"""Every thing that `catchwater.yml` may declare, with its default; unknown keys are refused here."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from catchwater.project.captures import Capture
from catchwater.project.kinds import STRICT, Account, Duration, Flag, Hidden, Schedule, Tables, Whole, Word

After = Literal["deployment"]


class Declared(BaseModel):
    model_config = STRICT


class PostgresSource(Declared):
    """A database, read with SELECT rights only; `capture` says how its tables, or some of them, are read."""

    kind: Literal["postgres"]
    url: Hidden = None
    host: Word | None = None
    port: Whole = Field(default=5432, gt=0, lt=65536)
    database: Word | None = None
    user: Word | None = None
    password: Hidden = None
    secret: Word | None = None
    auth: Literal["password", "rds_iam"] = "password"
    tables: Tables = "all"
    capture: Capture = "snapshot"
    every: Schedule | None = None


class TopicSource(Declared):
    """Messages; `schema` is a JSON Schema file, `key` the fields that identify a message's row."""

    kind: Literal["topic"]
    schema_file: Word = Field(alias="schema")
    key: list[Word] = []


class HttpFilesSource(Declared):
    """Files behind a URL; `schema` is a YAML file that declares columns, `private` permits loopback."""

    kind: Literal["http_files"]
    url: Word
    schema_file: Word | None = Field(default=None, alias="schema")
    after: After | None = None
    every: Schedule | None = None
    private: Flag = False
    max_bytes: Whole = Field(default=1 << 30, gt=0)


class GithubSource(Declared):
    """Repository activity: hours of an archive (`url`, with {hour}), or a signed webhook."""

    kind: Literal["github"]
    origin: Literal["archive", "webhook"] = Field(alias="from")
    repositories: list[Word] = []
    url: Word | None = None
    private: Flag = False
    secret: Word | None = None
    every: Schedule | None = None


Source = Annotated[PostgresSource | TopicSource | HttpFilesSource | GithubSource, Field(discriminator="kind")]


class Lake(Declared):
    """Logical zone names, and where the lake is: `url` is s3://bucket/prefix, else the project's own folder."""

    ingestion: Word = "ingestion"
    processed: Word = "processed"
    artifacts: Word = "artifacts"
    url: Word | None = None
    retention: Duration | None = None
    kms_key: Word | None = None


class DuckdbWarehouse(Declared):
    kind: Literal["duckdb"] = "duckdb"


class PostgresWarehouse(Declared):
    """An existing database; tables that exist with the declared columns are adopted."""

    kind: Literal["postgres"]
    url: Hidden = None
    secret: Word | None = None
    schema_name: Word = Field(default="public", alias="schema")


class BigqueryWarehouse(Declared):
    kind: Literal["bigquery"]
    dataset: Word


Warehouse = Annotated[DuckdbWarehouse | PostgresWarehouse | BigqueryWarehouse, Field(discriminator="kind")]


class Promise(Declared):
    freshness: Duration | None = None
    api_p95: Duration | None = None
    query_p98: Duration | None = None


class StepOptions(Declared):
    every: Schedule | None = None
    after: After | None = None
    engine: Literal["duckdb", "spark", "bigquery", "beam"] = "duckdb"
    compute: Word | None = None
    memory: Whole | None = Field(default=None, gt=0)
    timeout: Duration | None = None


class Steps(Declared):
    ingest: StepOptions = StepOptions()
    process: StepOptions = StepOptions()
    load: StepOptions = StepOptions()
    fuse: Flag = False


class Role(Declared):
    """What holders of the role's keys may read: tables, and per row an SQL condition."""

    tables: Tables = "all"
    columns: dict[str, list[Word]] = {}
    rows: Word | None = None


class Api(Declared):
    tables: Tables = "all"
    roles: dict[str, Role] = {}
    min: Whole = Field(default=0, ge=0)
    max: Whole = Field(default=2, ge=1)
    concurrency: Whole = Field(default=40, ge=1)


class Looker(Declared):
    connection: Word


class Serve(Declared):
    api: Api | None = None
    looker: Looker | None = None


Event = Literal["failure", "recovery", "stale", "success"]


class Alert(Declared):
    """`to` is an address for e-mail, a URL (or `${NAME}`) for webhook."""

    notify: Literal["email", "webhook"]
    to: Word
    events: list[Event] = ["failure", "recovery", "stale"]


class Network(Declared):
    """An existing network; `nat` says that its subnets lead out to the internet."""

    vpc: Word
    subnets: list[Word]
    security_group: Word | None = None
    nat: Flag = False


class Aws(Declared):
    region: Word
    account: Account
    network: Network | None = None


class Google(Declared):
    project: Word
    region: Word = "europe-west2"


Cloud = Literal["aws", "google"]


class Place(Declared):
    ingest: Cloud | None = None
    process: Cloud | None = None
    load: Cloud | None = None
    serve: Cloud | None = None


class Project(Declared):
    """A project as it stands in one environment, overrides merged in."""

    project: Annotated[Word, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    sources: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")], Source] = Field(min_length=1)
    lake: Lake = Lake()
    steps: Steps = Steps()
    warehouse: Warehouse = DuckdbWarehouse()
    promise: Promise = Promise()
    serve: Serve = Serve()
    alerts: list[Alert] = []
    ci: Literal["github_actions", "cloud_build"] = "github_actions"
    credentials: Literal["oidc", "keys"] = "oidc"
    name: dict[str, Word] = {}
    aws: Aws | None = None
    google: Google | None = None
    place: Place = Place()
    state_lock: Literal["native", "dynamodb"] = "native"

    @property
    def in_cloud(self) -> bool:
        return self.aws is not None or self.google is not None
