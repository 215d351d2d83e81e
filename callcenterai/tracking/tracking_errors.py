"""What is said of an MLflow that cannot be used: which one, why, and how it is mended."""


def what_to_do(error: BaseException, uri: str) -> str:
    """Return what is wrong with the tracking store and how it is mended."""
    store, status = without_password(uri), _http_status(error)
    if status == 401:
        who = _who(uri)
        trouble = f"does not let {who} in with this password" if who else "asks for a login"
        return (
            f"{store} {trouble}: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD; an administrator makes "
            "both with `python scripts/mlflow_users.py add NAME`"
        )
    if status == 403 and "Host header" in str(error):
        return (
            f"{store} is not among the names to which this server answers: use another one, or add it to those, by "
            "MLFLOW_ALLOWED_HOSTS in .env of the stack, or by `mlflow server --allowed-hosts`"
        )
    if status == 403:
        return (
            f"{store} does not let {_who(uri) or 'this user'} do this: an administrator gives the right to train and "
            "promote with `python scripts/mlflow_users.py add NAME`"
        )
    return (
        f"cannot use the MLflow tracking store {store} ({short(error)}): start the server, or unset "
        "MLFLOW_TRACKING_URI to use mlflow.db"
    )


def short(error: BaseException | str) -> str:
    """Return an error's text on one line that is not too long."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else text[:300] + "..."


def without_password(uri: str) -> str:
    """Return an address without a user and a password."""
    scheme, separator, rest = uri.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}" if "@" in rest else uri


def _who(uri: str) -> str | None:
    from mlflow.utils.credentials import get_default_host_creds

    return get_default_host_creds(uri).username


def _http_status(error: BaseException) -> int | None:
    """Return with which status a server has answered, if it was one of refusal: to the client, or to a transfer."""
    from mlflow.exceptions import MlflowException

    if isinstance(error, MlflowException):
        return error.get_http_status_code()
    return getattr(getattr(error, "response", None), "status_code", None)
