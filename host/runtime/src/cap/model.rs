//! The model of a launched program, behind the gateway: the key stays with the host.

use cyrus_gateway::{
    Access, Account, BaseUrl, Credential, Format, Gateway, Lease, Limits, ModelPattern, ModelPrice,
    PriceTable, Rates, Ticket, Upstream,
};
use cyrus_plugin::{
    Destination, GatewayConfig, HostPattern, ModelCredential, ModelFormat, ModelRequest,
    PriceConfig,
};
use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::net::TcpListener;
use zeroize::Zeroizing;

/// The variables of a program, with their values.
pub(crate) type Variables = Vec<(String, Zeroizing<String>)>;

/// A program's way to its model.
pub(crate) struct GatedModel {
    request: ModelRequest,
    /// The variable in which the operator's credential was, and the token of the execution is.
    variable: String,
    gateway: Gateway,
    format: Format,
    base: BaseUrl,
    credential: Arc<Credential>,
    models: Option<Vec<ModelPattern>>,
}

impl GatedModel {
    /// Takes every credential and the service's address out of a program's variables; the first credential counts.
    /// `None`: the operator sets none, or has switched the gateway off.
    pub(crate) fn take(
        request: &ModelRequest,
        config: &GatewayConfig,
        variables: &mut Variables,
        upstream: &Arc<dyn Upstream>,
    ) -> Result<Option<Self>, String> {
        if !config.enabled {
            return Ok(None);
        }
        let value = |name: &str| {
            let found = variables.iter().find(|(variable, _)| variable == name);
            found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
        };
        let held = request.credentials().map(|(kind, name)| (kind, name.to_owned(), value(name)));
        let held: Vec<_> =
            held.filter_map(|(kind, name, value)| Some((kind, name, value?))).collect();
        let Some((kind, variable, secret)) = held.first().cloned() else { return Ok(None) };
        let format = match request.format {
            ModelFormat::Anthropic => Format::Anthropic,
            ModelFormat::OpenAi => Format::OpenAi,
        };
        let address = value(&request.base_url);
        let address = address.as_ref().map_or(format.default_base_url(), |address| address);
        let base = BaseUrl::parse(address).map_err(|e| format!("{}: {e}", request.base_url))?;
        let models =
            config.models.as_ref().map(|names| names.iter().map(|name| pattern(name)).collect());
        let prices = config.prices.iter().map(|(name, price)| (name.clone(), model_price(price)));
        let prices = PriceTable::new(prices.collect()).map_err(|e| e.to_string())?;
        let is_taken = |name: &str| {
            name == request.base_url
                || request.credentials().any(|(_, credential)| credential == name)
        };
        variables.retain(|(name, _)| !is_taken(name));
        for (_, held_in, secret) in &held {
            if let Some((name, _)) = variables.iter().find(|(_, value)| value == secret) {
                return Err(format!("{name} holds the same key as {held_in}: leave it out"));
            }
        }
        Ok(Some(Self {
            request: request.clone(),
            gateway: Gateway::new(Arc::clone(upstream), Arc::new(prices), Limits::default()),
            format,
            base,
            credential: Arc::new(match kind {
                ModelCredential::Key => Credential::Key(secret),
                ModelCredential::Bearer => Credential::Bearer(secret),
                ModelCredential::Login => Credential::Login(secret),
            }),
            variable,
            models: models.transpose()?,
        }))
    }

    /// The program's hosts without the service's own address: what is asked of it is asked through the gateway.
    pub(crate) fn without_service(&self, hosts: &[HostPattern]) -> Vec<HostPattern> {
        let service = Destination::of(self.base.as_url());
        let is_service = |host: &HostPattern| service.as_ref().is_some_and(|to| host.matches(to));
        hosts.iter().filter(|host| !is_service(host)).cloned().collect()
    }

    /// Whether the program does without this file of the home, because it is a login.
    pub(crate) fn withholds(&self, file: &Path) -> bool {
        self.request.login.as_deref() == Some(file)
    }

    /// Opens the gateway for one program, at this listener.
    pub(crate) fn open(
        &self,
        ticket: Ticket,
        listener: TcpListener,
        account: &Arc<Account>,
    ) -> io::Result<Lease> {
        let access = Access {
            format: self.format,
            base: self.base.clone(),
            credential: Arc::clone(&self.credential) as _,
            models: self.models.clone(),
            account: Arc::clone(account),
        };
        self.gateway.serve(ticket, listener, access)
    }

    /// What the program gets in place of the key and the service's address.
    pub(crate) fn variables(&self, ticket: &Ticket, address: SocketAddr) -> [(String, String); 2] {
        let path = match self.format {
            Format::Anthropic => "",
            Format::OpenAi => "/v1",
        };
        [
            (self.variable.clone(), ticket.token().to_owned()),
            (self.request.base_url.clone(), format!("http://{address}{path}")),
        ]
    }
}

/// A free port of the host's own loopback interface.
pub(crate) async fn listen() -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await
}

/// The files of the home that a program gets.
pub(crate) fn home_files(files: &[PathBuf], model: Option<&GatedModel>) -> Vec<PathBuf> {
    let given = files.iter().filter(|file| model.is_none_or(|model| !model.withholds(file)));
    given.cloned().collect()
}

fn pattern(name: &str) -> Result<ModelPattern, String> {
    let problem =
        || format!("models: {name:?} is not a model; write its name, or its beginning and a *");
    ModelPattern::parse(name).ok_or_else(problem)
}

fn model_price(price: &PriceConfig) -> ModelPrice {
    let rates = Rates {
        input: price.input.0,
        output: price.output.0,
        cache_read: price.cache_read.map(|usd| usd.0),
        cache_write: price.cache_write.map(|usd| usd.0),
        cache_write_hour: price.cache_write_hour.map(|usd| usd.0),
    };
    ModelPrice { rates, long: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use cyrus_gateway::{UpstreamBody, UpstreamError};
    use futures::future::{BoxFuture, FutureExt as _, ready};
    use http::{Request, Response};

    struct Nowhere;

    impl Upstream for Nowhere {
        fn send(
            &self,
            _service: &BaseUrl,
            _request: Request<Bytes>,
        ) -> BoxFuture<'static, Result<Response<UpstreamBody>, UpstreamError>> {
            ready(Err(UpstreamError::Unreachable("nowhere".to_owned()))).boxed()
        }
    }

    fn request() -> ModelRequest {
        ModelRequest {
            format: ModelFormat::Anthropic,
            key: "KEY".to_owned(),
            bearer: Some("BEARER".to_owned()),
            login_token: Some("LOGIN".to_owned()),
            base_url: "BASE".to_owned(),
            login: Some(".tool/login".into()),
        }
    }

    fn take(
        config: &str,
        variables: &[(&str, &str)],
    ) -> (Result<Option<GatedModel>, String>, Vec<String>) {
        let config: GatewayConfig = serde_json::from_str(config).unwrap();
        let own =
            |(name, value): &(&str, &str)| (name.to_string(), Zeroizing::new(value.to_string()));
        let mut variables = variables.iter().map(own).collect();
        let upstream: Arc<dyn Upstream> = Arc::new(Nowhere);
        let taken = GatedModel::take(&request(), &config, &mut variables, &upstream);
        (taken, variables.into_iter().map(|(name, _)| name).collect())
    }

    #[tokio::test]
    async fn the_program_gets_a_token_in_place_of_the_key() {
        let (taken, left) = take("true", &[("KEY", "secret"), ("BASE", "http://h"), ("X", "1")]);
        let model = taken.unwrap().unwrap();
        assert_eq!(left, ["X"]);
        let listener = listen().await.unwrap();
        let (ticket, address) = (Gateway::ticket().unwrap(), listener.local_addr().unwrap());
        let variables = model.variables(&ticket, address);
        assert_eq!(variables[0], ("KEY".to_owned(), ticket.token().to_owned()));
        assert_eq!(variables[1], ("BASE".to_owned(), format!("http://{address}")));
        let lease = model.open(ticket, listener, &Account::new(None)).unwrap();
        assert_eq!(lease.address(), address);
        assert!(!format!("{variables:?}").contains("secret"));
        let files = [".tool/login", ".tool/settings"].map(PathBuf::from);
        assert_eq!(home_files(&files, Some(&model)), [PathBuf::from(".tool/settings")]);
        assert_eq!(home_files(&files, None), files);
    }

    #[test]
    fn the_service_is_not_reached_beside_the_gateway() {
        let (taken, _) = take("true", &[("KEY", "secret"), ("BASE", "https://api.example.com/v")]);
        let hosts: Vec<HostPattern> =
            ["api.example.com", "*.example.com", "b.example", "registries"]
                .map(|host| host.parse().unwrap())
                .into();
        let left = taken.unwrap().unwrap().without_service(&hosts);
        assert_eq!(left, hosts[2..]);
    }

    #[tokio::test]
    async fn of_several_credentials_the_first_counts_and_the_program_gets_none() {
        let (bearer, key, login) = (("BEARER", "of-one"), ("KEY", "secret"), ("LOGIN", "of-two"));
        for (set, counts, kind) in [
            (vec![login, key, bearer], "BEARER", "Bearer(…)"),
            (vec![login, key], "KEY", "Key(…)"),
            (vec![("BEARER", ""), login], "LOGIN", "Login(…)"),
        ] {
            let (taken, left) = take("true", &set);
            let model = taken.unwrap().unwrap();
            assert_eq!(left, [""; 0]);
            assert_eq!(format!("{:?}", model.credential), kind);
            let ticket = Gateway::ticket().unwrap();
            let address = listen().await.unwrap().local_addr().unwrap();
            let variables = model.variables(&ticket, address);
            assert_eq!(variables[0], (counts.to_owned(), ticket.token().to_owned()));
        }
    }

    #[test]
    fn without_a_key_or_with_the_gateway_off_nothing_is_taken() {
        for (config, variables) in [
            ("false", [("KEY", "secret"), ("BASE", "http://h")].as_slice()),
            ("true", &[("BASE", "http://h")]),
            ("true", &[("KEY", ""), ("BASE", "http://h")]),
        ] {
            let (taken, left) = take(config, variables);
            assert!(taken.unwrap().is_none(), "{config}");
            assert_eq!(left.len(), variables.len());
        }
    }

    #[test]
    fn what_cannot_be_kept_is_an_error() {
        for (config, variables, says) in [
            ("true", [("KEY", "secret"), ("BASE", "no address")].as_slice(), "BASE"),
            ("true", &[("KEY", "secret"), ("COPY", "secret")], "COPY"),
            ("true", &[("KEY", "other"), ("LOGIN", "secret"), ("COPY", "secret")], "COPY"),
            (r#"{"models": ["*opus"]}"#, &[("KEY", "secret")], "models"),
        ] {
            let (taken, _) = take(config, variables);
            let problem = taken.map(|_| ()).unwrap_err();
            assert!(problem.contains(says) && !problem.contains("secret"), "{problem}");
        }
    }
}
